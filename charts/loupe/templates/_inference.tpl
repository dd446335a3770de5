{{/* The same objects as serving/runtimes.py and serving/inference_service.py make; tests/charts compares them. */}}

{{- define "loupe.model" -}}
{{- /* A model's own values over those of all; (dict "root" $ "model" .) */ -}}
{{- mergeOverwrite (deepCopy .root.Values.inference) .model | toYaml -}}
{{- end -}}

{{/* Annotations that say how KServe deploys and scales. */}}
{{- define "loupe.modeAnnotations" -}}
{{- $release := regexReplaceAll "^v?0\\.([0-9]+).*$" .Values.inference.kserve "${1}" | int -}}
{{- $names := lt $release 16 | ternary (dict "standard" "RawDeployment" "knative" "Serverless") (dict "standard" "Standard" "knative" "Knative") -}}
serving.kserve.io/deploymentMode: {{ get $names .Values.inference.mode }}
{{- if has .Values.inference.autoscaling.by (list "hpa" "keda") }}
serving.kserve.io/autoscalerClass: {{ .Values.inference.autoscaling.by }}
{{- end }}
{{- end -}}

{{- define "loupe.hpa" -}}
autoScaling:
  metrics:
    - type: Resource
      resource:
        name: {{ .metric }}
        target: {type: Utilization, averageUtilization: {{ .percent | int }}}
{{- end -}}

{{/* Tiles in flight: each tile is a request at the predictor. TorchServe does not count them, the transformer does. */}}
{{- define "loupe.kedaQuery" -}}
{{- $root := .root -}}
{{- $by := $root.Values.inference.autoscaling.keda -}}
{{- if $by.query -}}
{{ $by.query | replace "{model}" .model.name | replace "{namespace}" $root.Release.Namespace }}
{{- else -}}
{{- $component := eq .model.runtime "torchserve" | ternary "transformer" "predictor" -}}
sum(loupe_requests_in_flight{model="{{ .model.name }}", namespace="{{ $root.Release.Namespace }}", component="{{ $component }}"}) or vector(0)
{{- if eq (int .model.minReplicas) 0 }} + (sum(loupe_web_jobs_running{namespace="{{ $root.Release.Namespace }}"}) or vector(0)){{ end }}
{{- end -}}
{{- end -}}

{{- define "loupe.scaling" -}}
{{- $scaling := .root.Values.inference.autoscaling -}}
{{- if eq $scaling.by "hpa" -}}
{{- include "loupe.hpa" $scaling.hpa -}}
{{- else if eq $scaling.by "keda" -}}
autoScaling:
  metrics:
    - type: External
      external:
        metric:
          backend: prometheus
          serverAddress: {{ $scaling.keda.server }}
          query: {{ include "loupe.kedaQuery" . | quote }}
        target: {type: Value, value: {{ $scaling.keda.tilesPerPod | quote }}}
{{- else if eq $scaling.by "concurrency" -}}
scaleMetric: concurrency
scaleTarget: {{ $scaling.concurrency.target | int }}
{{- with $scaling.concurrency.most }}
containerConcurrency: {{ . | int }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Memory is a limit too; CPU is not, as a limit would slow a pod down on an idle node. */}}
{{- define "loupe.resources" -}}
{{- $limits := dict "memory" .memory -}}
{{- with .gpu }}{{ if .count }}{{ $_ := set $limits .resource (.count | toString) }}{{ end }}{{ end -}}
requests:
  {{- merge (dict "cpu" .cpu) $limits | toYaml | nindent 2 }}
limits:
  {{- toYaml $limits | nindent 2 }}
{{- end -}}

{{/* What predictors and transformers share: how their pods come and go. Knative sees to that itself. */}}
{{- define "loupe.servingPod" -}}
{{- $root := .root -}}
enableServiceLinks: false
automountServiceAccountToken: false
{{- with $root.Values.inference }}
{{- if eq .mode "standard" }}
terminationGracePeriodSeconds: {{ add .drainSeconds .graceSeconds 10 }}
deploymentStrategy:
  type: RollingUpdate
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- if .spreadOver }}
{{ include "loupe.spread" (dict "over" .spreadOver "labels" $.labels) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A predictor of (dict "root" $ "model" merged "uri" "s3://...") */}}
{{- define "loupe.predictor" -}}
{{- $root := .root -}}
{{- $labels := printf "serving.kserve.io/inferenceservice: %s\ncomponent: predictor" (include "loupe.serviceName" .model.name) -}}
minReplicas: {{ .model.minReplicas | int }}
maxReplicas: {{ .model.maxReplicas | int }}
{{ include "loupe.servingPod" (dict "root" $root "labels" $labels) }}
serviceAccountName: {{ include "loupe.fullname" $root }}-serving
{{- include "loupe.scheduling" .model }}
{{ include "loupe.scaling" . }}
model:
  {{- if .canary }}
  # The definition asks for a name of the model, the webhook for none
  name: ""
  {{- end }}
  modelFormat: {name: loupe}
  runtime: {{ include "loupe.fullname" $root }}-{{ .model.runtime }}
  protocolVersion: v2
  {{- with .uri }}
  storageUri: {{ . }}
  {{- end }}
  env:
    - name: LOUPE_SERVE_MODELS
      value: {{ .model.name }}
    {{- include "loupe.env" .model.env | nindent 4 }}
  resources:
    {{- include "loupe.resources" .model | nindent 4 }}
{{- end -}}

{{/* Probes of our own server: alive at once, ready once its models are loaded. */}}
{{- define "loupe.kserveProbes" -}}
startupProbe:
  httpGet: {path: /v2/health/ready, port: 8080}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ div . 2 }}
readinessProbe:
  httpGet: {path: /v2/health/ready, port: 8080}
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  httpGet: {path: /v2/health/live, port: 8080}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{/* What all containers of KServe share; (dict "root" $ "port" 8080 "env" list) One port only: Knative allows no more. */}}
{{- define "loupe.servingContainer" -}}
name: kserve-container
image: {{ include "loupe.image" (dict "root" .root "image" .root.Values.inference.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
ports:
  - {containerPort: {{ .port }}, protocol: TCP}
securityContext:
  {{- include "loupe.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- if eq .root.Values.inference.mode "standard" }}
{{ include "loupe.drain" .root.Values.inference.drainSeconds }}
{{- end }}
{{- end -}}

{{- define "loupe.servingEnv" -}}
{{ include "loupe.writable" . }}
- name: LOUPE_STORAGE
  value: file:///tmp/loupe
{{- include "loupe.env" (dict
  "LOUPE_GRACE_SECONDS" (int .Values.inference.graceSeconds)
  "LOUPE_RUNNING" (int .Values.inference.running)
  "LOUPE_WAITING" (int .Values.inference.waiting)
  "LOUPE_LIMITS__MAX_BYTES" (int64 .Values.web.limits.maxBytes)
  "LOUPE_LIMITS__MAX_PIXELS_IN" (int64 .Values.web.limits.maxPixelsIn)
  "LOUPE_LIMITS__MAX_PIXELS_OUT" (int64 .Values.web.limits.maxPixelsOut)
) }}
{{- end -}}
