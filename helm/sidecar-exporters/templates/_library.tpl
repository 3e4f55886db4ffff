{{/*
What a chart puts into its own pods. The root is this chart's scope in the parent:
  {{- $exporters := index .Subcharts "sidecar-exporters" }}
Of containers and initContainers one gives nothing: native sidecars are init containers. All go into
the pod template: initContainers first in its list, podLabels not into a selector.
*/}}
{{- define "sidecar-exporters.initContainers" -}}
{{- if eq (include "sidecar-exporters.native" .) "true" -}}
{{- include "sidecar-exporters.containersOf" (dict "root" . "native" true) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.containers" -}}
{{- if ne (include "sidecar-exporters.native" .) "true" -}}
{{- include "sidecar-exporters.containersOf" (dict "root" . "native" false) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.containersOf" -}}
{{- $root := .root -}}
{{- $native := .native -}}
{{- $wanted := include "sidecar-exporters.enabled" $root | fromJsonArray -}}
{{- $first := true -}}
{{- range $member := include "sidecar-exporters.members" (dict "root" $root "wanted" $wanted) | fromJsonArray -}}
{{- if not $first }}{{ "\n" }}{{ end -}}
{{- $first = false -}}
{{- include "sidecar-exporters.container" (dict "root" $root "member" $member "node" false "native" $native) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.volumes" -}}
{{- $wanted := include "sidecar-exporters.enabled" . | fromJsonArray -}}
{{- if $wanted -}}
{{- include "sidecar-exporters.volumesOf" (dict "root" . "wanted" $wanted "node" false) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.podAnnotations" -}}
{{- $wanted := include "sidecar-exporters.enabled" . | fromJsonArray -}}
{{- $members := include "sidecar-exporters.members" (dict "root" . "wanted" $wanted) | fromJsonArray -}}
{{- if $members -}}
{{- include "sidecar-exporters.podAnnotationsOf" (dict "root" . "members" $members) -}}
{{- end -}}
{{- end -}}

{{/* By which the Services find the pods that carry the exporters. */}}
{{- define "sidecar-exporters.podLabels" -}}
sidecar-exporters/pods: {{ include "sidecar-exporters.fullname" . }}
{{- end -}}
