{{/*
A table as TOML. Helm's own toToml writes every number of values.yaml as a float and SQL on one line.
  include "sidecar-exporters.toml" (dict "table" $map "path" "postgres")
*/}}
{{- define "sidecar-exporters.toml" -}}
{{- $path := .path -}}
{{- range $key, $value := .table -}}
{{- if not (or (kindIs "invalid" $value) (eq (include "sidecar-exporters.toml.isTable" $value) "true")) }}
{{ include "sidecar-exporters.toml.key" $key }} = {{ include "sidecar-exporters.toml.value" $value }}
{{- end -}}
{{- end -}}
{{- range $key, $value := .table -}}
{{- $below := include "sidecar-exporters.toml.key" $key -}}
{{- if $path }}{{ $below = printf "%s.%s" $path $below }}{{ end -}}
{{- if kindIs "map" $value }}
{{- include "sidecar-exporters.toml.header" (dict "table" $value "path" $below) }}
{{- include "sidecar-exporters.toml" (dict "table" $value "path" $below) }}
{{- else if eq (include "sidecar-exporters.toml.isTable" $value) "true" }}
{{- range $value }}
[[{{ $below }}]]
{{- include "sidecar-exporters.toml" (dict "table" . "path" $below) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A table that holds only tables needs no header of its own. */}}
{{- define "sidecar-exporters.toml.header" -}}
{{- $own := eq (len .table) 0 -}}
{{- range $value := .table -}}
{{- if not (eq (include "sidecar-exporters.toml.isTable" $value) "true") }}{{ $own = true }}{{ end -}}
{{- end -}}
{{- if $own }}
[{{ .path }}]
{{- end -}}
{{- end -}}

{{/* "true" for a map and for a list whose first item is a map. */}}
{{- define "sidecar-exporters.toml.isTable" -}}
{{- if kindIs "map" . -}}
true
{{- else if kindIs "slice" . -}}
{{- if . }}{{ if kindIs "map" (first .) }}true{{ end }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "sidecar-exporters.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- define "sidecar-exporters.toml.value" -}}
{{- if kindIs "string" . -}}
{{- if and (contains "\n" .) (not (contains "'''" .)) (not (regexMatch "[\\x00-\\x08\\x0b-\\x1f\\x7f]" .)) -}}
{{- printf "'''\n%s'''" . -}}
{{- else -}}
{{- toRawJson . -}}
{{- end -}}
{{- else if kindIs "slice" . -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}{{ include "sidecar-exporters.toml.value" $item }}{{ end }}]
{{- else if kindIs "float64" . -}}
{{- if and (eq . (floor .)) (lt . 1e15) (gt . -1e15) }}{{ printf "%.0f" . }}{{ else }}{{ printf "%g" . }}{{ end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}
