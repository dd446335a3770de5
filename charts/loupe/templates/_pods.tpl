{{/* What pods and containers share. */}}

{{/* The restricted profile of the Pod Security Standards, with a root that cannot be written on top. */}}
{{- define "loupe.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "loupe.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Variables of any of our processes; (dict "env" (dict "NAME" "value")) in the order of their names */}}
{{- define "loupe.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{- define "loupe.writable" -}}
- name: HOME
  value: /tmp
- name: TMPDIR
  value: /tmp
- name: LOUPE_CACHE_DIR
  value: /tmp/loupe
{{- end -}}

{{/* The address of storage, and the keys to it. */}}
{{- define "loupe.storageEnv" -}}
envFrom:
  - configMapRef: {name: {{ include "loupe.fullname" . }}-storage}
{{- end -}}

{{- define "loupe.storageKeys" -}}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: {name: {{ include "loupe.storageSecret" $ }}, key: {{ . }}}
{{- end }}
{{- end -}}

{{- define "loupe.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (dict "over" "kubernetes.io/hostname" "labels" "yaml") */}}
{{- define "loupe.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ .over }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- .labels | nindent 8 }}
{{- end -}}

{{/* Stays while the news that the pod leaves reaches every proxy; requests that still come are answered. */}}
{{- define "loupe.drain" -}}
lifecycle:
  preStop:
    exec: {command: [sleep, {{ . | int | quote }}]}
{{- end -}}
