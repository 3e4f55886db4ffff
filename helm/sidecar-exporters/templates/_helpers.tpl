{{- define "sidecar-exporters.name" -}}
{{- .Values.nameOverride | default "sidecar-exporters" | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* In the library role .Chart may be a parent's map: only Release and Values are relied on. */}}
{{- define "sidecar-exporters.fullname" -}}
{{- $name := include "sidecar-exporters.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.labels" -}}
app.kubernetes.io/name: {{ include "sidecar-exporters.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The exporters that are on, as a JSON list. */}}
{{- define "sidecar-exporters.enabled" -}}
{{- $names := list -}}
{{- range $name := list "host" "postgres" "temporal" -}}
{{- if (index $.Values $name).enabled }}{{ $names = append $names $name }}{{ end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* At most 15 characters, as Kubernetes wants: `temporal-metrics` has 16. */}}
{{- define "sidecar-exporters.portName" -}}
{{- get (dict "host" "host-metrics" "postgres" "pg-metrics" "temporal" "tmprl-metrics" "sidecar" "sidecar-metrics") . -}}
{{- end -}}

{{/*
The containers of one pod, as a JSON list of {name, port, values, exporters}: each exporter its own,
or one for all. `wanted` are the exporters of that pod.
  include "sidecar-exporters.members" (dict "root" $ "wanted" (list "postgres"))
*/}}
{{- define "sidecar-exporters.members" -}}
{{- $members := list -}}
{{- if and .root.Values.combined.enabled .wanted -}}
{{- $members = append $members (dict "name" "sidecar" "port" .root.Values.combined.port "values" .root.Values.combined "exporters" .wanted) -}}
{{- else -}}
{{- range $name := .wanted -}}
{{- $values := index $.root.Values $name -}}
{{- $members = append $members (dict "name" $name "port" $values.port "values" $values "exporters" (list $name)) -}}
{{- end -}}
{{- end -}}
{{- toJson $members -}}
{{- end -}}

{{- define "sidecar-exporters.metricsPath" -}}
{{- dig "web" "telemetry_path" "/metrics" .Values.config -}}
{{- end -}}

{{- define "sidecar-exporters.image" -}}
{{- $image := .root.Values.image -}}
{{- $path := printf "%s/%s" $image.repository .name -}}
{{- if $image.registry }}{{ $path = printf "%s/%s" $image.registry $path }}{{ end -}}
{{- $digest := index $image.digests .name | default $image.digest -}}
{{- if $digest -}}
{{- printf "%s@%s" $path $digest -}}
{{- else -}}
{{- printf "%s:%s" $path ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Two images are never one: a digest for both is a pull that fails, hours later on some node. */}}
{{- define "sidecar-exporters.checkDigest" -}}
{{- $pods := list (dict "wanted" (include "sidecar-exporters.enabled" . | fromJsonArray) "node" false) -}}
{{- if eq .Values.role "application" -}}
{{- $pods = include "sidecar-exporters.pods" . | fromJsonArray -}}
{{- end -}}
{{- $without := list -}}
{{- range $pod := $pods -}}
{{- range $member := include "sidecar-exporters.membersOfPod" (dict "root" $ "pod" $pod) | fromJsonArray -}}
{{- if not (index $.Values.image.digests $member.name) }}{{ $without = append $without $member.name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.image.digest (gt (len $without) 1) -}}
{{- fail (printf "image.digest fits one image, and there are %d (%s): use image.digests" (len $without) (join ", " $without)) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.native" -}}
{{- $wanted := toString .Values.nativeSidecars -}}
{{- if eq $wanted "auto" -}}
{{- semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version -}}
{{- else -}}
{{- $wanted -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.podAnnotationsOf" -}}
{{- $mode := .root.Values.scrape.mode -}}
{{- if eq $mode "ports" -}}
sidecar-exporters/scrape: "true"
{{- else if eq $mode "pod" -}}
{{- if ne (len .members) 1 -}}
{{- fail (printf "scrape.mode=pod: prometheus.io/port names one port a pod, and this pod has %d exporters; set combined.enabled, or scrape.mode to services or ports" (len .members)) -}}
{{- end -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ (first .members).port | toString | quote }}
prometheus.io/path: {{ include "sidecar-exporters.metricsPath" .root }}
{{- end -}}
{{- end -}}
