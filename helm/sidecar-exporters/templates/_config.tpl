{{/* The whole configuration as TOML: the chart's ports and paths, and what the values say. */}}
{{- define "sidecar-exporters.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $enabled := include "sidecar-exporters.enabled" . | fromJsonArray -}}
{{- range $name := $enabled -}}
{{- $values := index $.Values $name -}}
{{- $table := deepCopy $values.config -}}
{{- if hasKey $table "listen" -}}
{{- fail (printf "%s.config.listen: the chart sets it; the value is %s.port" $name $name) -}}
{{- end -}}
{{- $_ := set $table "listen" (list (printf ":%d" (int $values.port))) -}}
{{- if and (eq $name "temporal") $values.state.enabled (not (hasKey $table "state_file")) -}}
{{- $_ := set $table "state_file" "/var/lib/sidecar-exporters/temporal.state" -}}
{{- end -}}
{{- range $key, $from := ($values.secretFiles | default dict) -}}
{{- include "sidecar-exporters.setPath" (dict "table" $table "keys" (splitList "." $key) "value" (printf "/run/secrets/sidecar-exporters/%s/%s" $name $key)) -}}
{{- end -}}
{{- $_ := set $config $name $table -}}
{{- end -}}
{{- if .Values.combined.enabled -}}
{{- /* Single binaries do not look at `enabled`: the DaemonSet of the host runs all the same. */ -}}
{{- range $name := list "host" "postgres" "temporal" -}}
{{- $runs := and (has $name $enabled) (not (and (eq $name "host") (eq $.Values.role "application"))) -}}
{{- if not (hasKey $config $name) }}{{ $_ := set $config $name dict }}{{ end -}}
{{- $_ := set (index $config $name) "enabled" $runs -}}
{{- end -}}
{{- $_ := set $config "sidecar" (dict "listen" (list (printf ":%d" (int .Values.combined.port)))) -}}
{{- end -}}
{{- include "sidecar-exporters.toml" (dict "table" $config "path" "") -}}
{{- end -}}

{{/* Sets a key, reaching into tables that it makes. */}}
{{- define "sidecar-exporters.setPath" -}}
{{- if eq (len .keys) 1 -}}
{{- $_ := set .table (first .keys) .value -}}
{{- else -}}
{{- if not (hasKey .table (first .keys)) }}{{ $_ := set .table (first .keys) dict }}{{ end -}}
{{- include "sidecar-exporters.setPath" (dict "table" (index .table (first .keys)) "keys" (rest .keys) "value" .value) -}}
{{- end -}}
{{- end -}}
