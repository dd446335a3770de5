{{/* Peers and ports of NetworkPolicies. */}}

{{/* (dict "root" $ "component" "web" "name" "web" "title" "") */}}
{{- define "loupe.policyHead" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "loupe.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "loupe.labels" . | nindent 4 }}
spec:
  policyTypes: [Ingress, Egress]
  podSelector:
    matchLabels:
      {{- if eq .component "serving" }}
      {{- include "loupe.servingSelector" . | nindent 6 }}
      {{- else }}
      {{- include "loupe.selector" . | nindent 6 }}
      {{- end }}
{{- end -}}

{{- define "loupe.ports" -}}
ports:
  {{- range . }}
  - {protocol: TCP, port: {{ . | int }}}
  {{- end }}
{{- end -}}

{{/* One of our parts as a peer; (dict "root" $ "component" "web") */}}
{{- define "loupe.peer" -}}
- podSelector:
    matchLabels:
      {{- include "loupe.selector" . | nindent 6 }}
{{- end -}}

{{- define "loupe.servingPeer" -}}
- podSelector:
    matchLabels:
      {{- include "loupe.servingSelector" . | nindent 6 }}
{{- end -}}

{{- define "loupe.stepsPeer" -}}
- podSelector:
    matchLabels:
      {{- toYaml .Values.pipelines.runner.stepLabels | nindent 6 }}
{{- end -}}

{{- define "loupe.trainingPeers" -}}
{{- range .Values.pipelines.runner.trainingLabels }}
- podSelector:
    matchExpressions:
      - {key: {{ . }}, operator: Exists}
{{- end }}
{{- end -}}

{{/* Ports of models: of our server, and of TorchServe. */}}
{{- define "loupe.modelPorts" -}}
{{- include "loupe.ports" (list 8080 8085) -}}
{{- end -}}

{{- define "loupe.toDNS" -}}
- to:
    - namespaceSelector: {}
    - ipBlock: {cidr: 169.254.0.0/16}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{- define "loupe.toStorage" -}}
{{- if .Values.storage.bundled.enabled -}}
- to:
    {{- include "loupe.peer" (dict "root" . "component" "storage") | nindent 4 }}
  {{- include "loupe.ports" (list 8333) | nindent 2 }}
{{- else -}}
{{- with .Values.networkPolicy.storage -}}
- to:
    - ipBlock: {cidr: {{ .cidr }}}
    {{- with .namespace }}
    - namespaceSelector:
        matchLabels:
          {{- toYaml . | nindent 10 }}
    {{- end }}
  {{- include "loupe.ports" .ports | nindent 2 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether requests to models go through a gateway. */}}
{{- define "loupe.throughGateway" -}}
{{- if or (eq .Values.inference.mode "knative") .Values.web.inferenceUrl -}}yes{{- end -}}
{{- end -}}

{{- define "loupe.gatewayPeer" -}}
- namespaceSelector:
    matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: [{{ join ", " .Values.networkPolicy.gatewayNamespaces }}]}
{{- end -}}

{{/* From the page or the test to models. */}}
{{- define "loupe.toModels" -}}
{{- if .Values.inference.enabled -}}
- to:
    {{- include "loupe.servingPeer" . | nindent 4 }}
  {{- include "loupe.modelPorts" . | nindent 2 }}
{{- end }}
{{- if include "loupe.throughGateway" . }}
- to:
    {{- include "loupe.gatewayPeer" . | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "loupe.prometheusPeer" -}}
- namespaceSelector:
    matchLabels:
      {{- toYaml .Values.networkPolicy.monitoringNamespace | nindent 6 }}
{{- end -}}
