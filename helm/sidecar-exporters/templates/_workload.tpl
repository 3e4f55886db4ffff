{{/* The pod template of the application role: root, wanted, node, component. */}}
{{- define "sidecar-exporters.podTemplate" -}}
{{- $root := .root -}}
{{- $node := .node -}}
{{- $members := .members -}}
{{- $annotations := include "sidecar-exporters.podAnnotationsOf" (dict "root" $root "members" $members) -}}
metadata:
  {{- if or $annotations $root.Values.podAnnotations }}
  annotations:
    {{- with $annotations }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  labels:
    {{- include "sidecar-exporters.selector" . | nindent 4 }}
    {{- with $root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  {{- with $root.Values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if $node }}
  hostNetwork: {{ $root.Values.daemonSet.hostNetwork }}
  hostPID: {{ $root.Values.daemonSet.hostPID }}
  {{- end }}
  securityContext:
    fsGroup: 65532
    runAsNonRoot: true
    seccompProfile:
      type: RuntimeDefault
  containers:
    {{- range $member := $members }}
    {{- include "sidecar-exporters.container" (dict "root" $root "member" $member "node" $node "native" false) | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "sidecar-exporters.volumesOf" (dict "root" $root "wanted" .wanted "node" $node) | nindent 4 }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with (ternary $root.Values.daemonSet.tolerations $root.Values.tolerations $node) }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "sidecar-exporters.selector" -}}
app.kubernetes.io/name: {{ include "sidecar-exporters.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/*
The pods of the application role, as a JSON list of {component, wanted, node}: one of each exporter;
postgres and temporal share one when they are combined. The host's is never shared: it is a
DaemonSet's, with the host's file systems.
*/}}
{{- define "sidecar-exporters.pods" -}}
{{- $pods := list -}}
{{- $others := list -}}
{{- range $name := include "sidecar-exporters.enabled" . | fromJsonArray -}}
{{- if eq $name "host" -}}
{{- $pods = append $pods (dict "component" "host" "wanted" (list "host") "node" true) -}}
{{- else if $.Values.combined.enabled -}}
{{- $others = append $others $name -}}
{{- else -}}
{{- $pods = append $pods (dict "component" $name "wanted" (list $name) "node" false) -}}
{{- end -}}
{{- end -}}
{{- if $others -}}
{{- $pods = append $pods (dict "component" "sidecar" "wanted" $others "node" false) -}}
{{- end -}}
{{- toJson $pods -}}
{{- end -}}

{{- define "sidecar-exporters.membersOfPod" -}}
{{- if .pod.node -}}
{{- $values := .root.Values.host -}}
{{- toJson (list (dict "name" "host" "port" $values.port "values" $values "exporters" (list "host"))) -}}
{{- else -}}
{{- include "sidecar-exporters.members" (dict "root" .root "wanted" .pod.wanted) -}}
{{- end -}}
{{- end -}}
