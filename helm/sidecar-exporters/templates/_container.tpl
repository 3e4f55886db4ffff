{{/*
One container of an exporter. A map: root, member (see members), node (with the host's file
systems), native.
*/}}
{{- define "sidecar-exporters.container" -}}
{{- $root := .root -}}
{{- $values := .member.values -}}
- name: {{ .member.name }}-exporter
  image: {{ include "sidecar-exporters.image" (dict "root" $root "name" .member.name) }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  {{- if .native }}
  restartPolicy: Always
  {{- end }}
  args:
    - --config.dir=/etc/sidecar-exporters
    {{- if .node }}
    - --path.procfs=/host/root/proc
    - --path.sysfs=/host/root/sys
    - --path.rootfs=/host/root
    - --path.udev.data=/host/root/run/udev/data
    {{- end }}
    {{- range $values.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  {{- with $values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: {{ include "sidecar-exporters.portName" .member.name }}
      containerPort: {{ .member.port }}
      protocol: TCP
  {{- include "sidecar-exporters.probes" . | nindent 2 }}
  {{- with $values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    allowPrivilegeEscalation: false
    capabilities:
      drop: [ALL]
    readOnlyRootFilesystem: true
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    seccompProfile:
      type: RuntimeDefault
  volumeMounts:
    # Directories, never subPath: that would never see an update.
    - name: {{ include "sidecar-exporters.fullname" $root }}-config
      mountPath: /etc/sidecar-exporters
      readOnly: true
    {{- range $name := .member.exporters }}
    {{- if (index $root.Values $name).secretFiles }}
    - name: {{ include "sidecar-exporters.fullname" $root }}-{{ $name }}
      mountPath: /run/secrets/sidecar-exporters/{{ $name }}
      readOnly: true
    {{- end }}
    {{- if and (eq $name "temporal") $root.Values.temporal.state.enabled }}
    - name: {{ include "sidecar-exporters.fullname" $root }}-state
      mountPath: /var/lib/sidecar-exporters
    {{- end }}
    {{- end }}
    {{- if .node }}
    - name: host
      mountPath: /host/root
      readOnly: true
      # Else what is mounted on the host later stays invisible.
      mountPropagation: HostToContainer
    {{- end }}
    {{- with $values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/*
None of them asks what is watched: a database that is down must not restart its pod. In somebody's
pod liveness alone: a startup probe would hold up the application (native sidecars start before it),
and readiness would take the pod out of its Service.
*/}}
{{- define "sidecar-exporters.probes" -}}
{{- $port := include "sidecar-exporters.portName" .member.name -}}
{{- $probes := .root.Values.probes -}}
{{- if eq .root.Values.role "application" -}}
startupProbe:
  httpGet:
    path: /-/ready
    port: {{ $port }}
  periodSeconds: 1
  failureThreshold: 60
  timeoutSeconds: {{ $probes.timeoutSeconds }}
readinessProbe:
  httpGet:
    path: /-/ready
    port: {{ $port }}
  periodSeconds: {{ $probes.periodSeconds }}
  failureThreshold: {{ $probes.failureThreshold }}
  timeoutSeconds: {{ $probes.timeoutSeconds }}
{{ end -}}
livenessProbe:
  httpGet:
    path: /-/healthy
    port: {{ $port }}
  periodSeconds: {{ $probes.periodSeconds }}
  failureThreshold: {{ $probes.failureThreshold }}
  timeoutSeconds: {{ $probes.timeoutSeconds }}
{{- end -}}

{{/* Volumes of a pod with the exporters `wanted`. */}}
{{- define "sidecar-exporters.volumesOf" -}}
{{- $root := .root -}}
{{- $fullname := include "sidecar-exporters.fullname" $root -}}
- name: {{ $fullname }}-config
  configMap:
    name: {{ $fullname }}
{{- range $name := .wanted }}
{{- $values := index $root.Values $name }}
{{- with $values.secretFiles }}
- name: {{ $fullname }}-{{ $name }}
  projected:
    sources:
      {{- range $key, $from := . }}
      - secret:
          name: {{ $from.secret }}
          # A key that is missing is for the exporter to say: the pod has an application to start.
          optional: true
          items:
            - key: {{ $from.key }}
              path: {{ $key }}
      {{- end }}
{{- end }}
{{- if and (eq $name "temporal") $values.state.enabled }}
- name: {{ $fullname }}-state
  {{- if $values.state.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ $values.state.existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: 256Mi
  {{- end }}
{{- end }}
{{- end }}
{{- if .node }}
- name: host
  hostPath:
    path: /
{{- end }}
{{- with $root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
