{{/* The upload's two containers differ in what they say to `python -m pipelines`. */}}

{{- define "loupe.pipelinesServer" -}}
- --host={{ .Values.pipelines.host }}
{{- with .Values.pipelines.profile }}
- --namespace={{ . }}
{{- end }}
{{- if .Values.pipelines.tokenAudience }}
- --token-file=/var/run/secrets/kubeflow/pipelines/token
{{- end }}
{{- end -}}

{{- define "loupe.placement" -}}
- --image={{ include "loupe.image" (dict "root" . "image" .Values.pipelines.image) }}
- --secret={{ include "loupe.storageSecret" . }}
- --config-map={{ include "loupe.fullname" . }}-storage
{{- if .Values.features.enabled }}
- --features-secret={{ include "loupe.redisSecret" . }}
{{- end }}
{{- with .Values.pipelines.volumeClaim }}
- --volume-claim={{ . }}
{{- end }}
{{- with .Values.pipelines.gpus }}
- --gpus={{ . | int }}
{{- end }}
{{- range .Values.image.pullSecrets }}
- --image-pull-secret={{ . }}
{{- end }}
{{- end -}}

{{/* Fields of serving.inference_service.Service for models that the pipeline publishes: as this chart serves its own. */}}
{{- define "loupe.publishedService" -}}
{{- $own := .Values.inference -}}
{{- dict
  "kserve" $own.kserve
  "mode" $own.mode
  "runtime" (printf "%s-%s" (include "loupe.fullname" .) $own.runtime)
  "service_account" (printf "%s-serving" (include "loupe.fullname" .))
  "cpu" $own.cpu
  "memory" $own.memory
  "min_replicas" (max 1 (int $own.minReplicas) | toString)
  "max_replicas" (max 1 (int $own.maxReplicas) | toString)
  "gpus" (int $own.gpu.count | toString)
  "grace_seconds" (add $own.drainSeconds $own.graceSeconds 10 | toString)
| toJson -}}
{{- end -}}

{{- define "loupe.pipelinesContainer" -}}
image: {{ include "loupe.image" (dict "root" . "image" .Values.pipelines.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "loupe.containerSecurity" . | nindent 2 }}
env:
  {{- include "loupe.writable" . | nindent 2 }}
resources:
  {{- toYaml .Values.pipelines.resources | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.pipelines.tokenAudience }}
  - {name: token, mountPath: /var/run/secrets/kubeflow/pipelines, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "loupe.uploadPod" -}}
{{- $drift := .Values.pipelines.drift -}}
{{ include "loupe.pod" . }}
serviceAccountName: {{ include "loupe.fullname" . }}-upload
restartPolicy: OnFailure
initContainers:
  - name: upload
    command: [python, -m, pipelines, upload]
    args:
      {{- range .Values.pipelines.upload }}
      - {{ . }}
      {{- end }}
      {{- include "loupe.pipelinesServer" . | nindent 6 }}
      {{- include "loupe.placement" . | nindent 6 }}
    {{- include "loupe.pipelinesContainer" . | nindent 4 }}
containers:
  # One schedule of the name at most: this replaces it, or takes it away
  - name: schedule
    command: [python, -m, pipelines, schedule, watch_drift]
    args:
      {{- include "loupe.pipelinesServer" . | nindent 6 }}
      - --run-name={{ include "loupe.fullname" . }}-drift
      {{- if $drift.enabled }}
      - {{ printf "--cron=%s" $drift.cron | quote }}
      - --model={{ $drift.model }}
      - --prometheus={{ $drift.prometheus }}
      - --window={{ $drift.window }}
      - --pipeline-namespace={{ .Release.Namespace }}
      - {{ printf "--service=%s" (include "loupe.publishedService" .) | squote }}
      {{- range $name, $value := $drift.parameters }}
      - --{{ $name | replace "_" "-" }}={{ $value }}
      {{- end }}
      {{- include "loupe.placement" . | nindent 6 }}
      {{- else }}
      - --delete
      {{- end }}
    {{- include "loupe.pipelinesContainer" . | nindent 4 }}
volumes:
  - {name: tmp, emptyDir: {}}
  {{- with .Values.pipelines.tokenAudience }}
  - name: token
    projected:
      sources:
        - serviceAccountToken: {audience: {{ . }}, expirationSeconds: 7200, path: token}
  {{- end }}
{{- end -}}
