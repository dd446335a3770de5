{{/* Names, labels, images. */}}

{{- define "loupe.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains "loupe" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-loupe" (.Release.Name | trunc 34 | trimSuffix "-") }}
{{- end -}}
{{- end -}}

{{/* What an object of the part .component is found by; (dict "root" $ "component" "web") */}}
{{- define "loupe.selector" -}}
app.kubernetes.io/name: loupe
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "loupe.labels" -}}
{{ include "loupe.selector" . }}
app.kubernetes.io/part-of: loupe
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Pods that serve models: those of this chart and those that the pipeline publishes in this namespace. */}}
{{- define "loupe.servingSelector" -}}
app.kubernetes.io/name: loupe
app.kubernetes.io/component: serving
{{- end -}}

{{/* One of our three images; (dict "root" $ "image" .Values.web.image) */}}
{{- define "loupe.image" -}}
{{- $name := .image.repository -}}
{{- with .root.Values.image.registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" .) $name -}}{{- end -}}
{{- if .image.digest -}}
{{ $name }}@{{ .image.digest }}
{{- else -}}
{{ $name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Somebody else's image, (dict "image" "redis:7.2" "digest" "") */}}
{{- define "loupe.foreignImage" -}}
{{- if .digest -}}
{{ regexReplaceAll ":[^:/]+$" .image "" }}@{{ .digest }}
{{- else -}}
{{ .image }}
{{- end -}}
{{- end -}}

{{/* Kubernetes' names have no underscore: edsr_x4 -> edsr-x4 */}}
{{- define "loupe.serviceName" -}}
{{ . | replace "_" "-" | trimAll "-" }}
{{- end -}}

{{/* Where the page and the tests find a model; {model} is replaced by whoever asks. */}}
{{- define "loupe.inferenceUrl" -}}
{{- if .Values.web.inferenceUrl -}}
{{ .Values.web.inferenceUrl }}
{{- else -}}
http://{model}-{{ .Values.inference.transformer.enabled | ternary "transformer" "predictor" }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}
{{- end -}}

{{- define "loupe.storageSecret" -}}
{{ .Values.storage.existingSecret | default (printf "%s-s3" (include "loupe.fullname" .)) }}
{{- end -}}

{{- define "loupe.storageEndpoint" -}}
{{- if .Values.storage.bundled.enabled -}}
http://{{ include "loupe.fullname" . }}-storage.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:8333
{{- else -}}
{{ .Values.storage.endpoint }}
{{- end -}}
{{- end -}}

{{- define "loupe.redisSecret" -}}
{{ .Values.features.redis.existingSecret | default (printf "%s-redis" (include "loupe.fullname" .)) }}
{{- end -}}
