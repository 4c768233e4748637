{{/* What the operator's pods and the one of `helm test` have in common. */}}

{{- define "whisper-operator.environment" -}}
- name: WHISPER_OPERATOR_LOADER_IMAGE
  value: {{ include "whisper-operator.image" (list . .Values.images.loader) | quote }}
- name: WHISPER_OPERATOR_SERVER_IMAGE
  value: {{ include "whisper-operator.image" (list . .Values.images.server) | quote }}
- name: WHISPER_OPERATOR_IMAGE_PULL_POLICY
  value: {{ .Values.images.pullPolicy }}
- name: WHISPER_OPERATOR_IMAGE_PULL_SECRETS
  value: {{ join "," .Values.images.pullSecrets | quote }}
- name: WHISPER_OPERATOR_SERVER_DEFAULTS
  value: {{ include "whisper-operator.serverDefaults" . | quote }}
- name: WHISPER_OPERATOR_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: WHISPER_OPERATOR_MAX_ROLLOUTS
  value: {{ .Values.maxRollouts | int | quote }}
- name: WHISPER_OPERATOR_DELETION_TIMEOUT_SECONDS
  value: {{ .Values.deletionTimeoutSeconds | int | quote }}
- name: WHISPER_OPERATOR_LEASE_NAMESPACE
  value: {{ .Release.Namespace }}
- name: WHISPER_OPERATOR_LEASE_NAME
  value: {{ include "whisper-operator.fullname" . }}
- name: WHISPER_OPERATOR_LOG_FORMAT
  value: {{ .Values.log.format }}
- name: WHISPER_OPERATOR_LOG_LEVEL
  value: {{ .Values.log.level }}
- name: WHISPER_OPERATOR_PROBE_PORT
  value: "8080"
{{- with .Values.operator.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* As JSON, and only what is set. */}}
{{- define "whisper-operator.serverDefaults" -}}
{{- $set := dict -}}
{{- range $name, $value := .Values.servers -}}
{{- if $value -}}
{{- $set = set $set $name $value -}}
{{- end -}}
{{- end -}}
{{- toJson $set -}}
{{- end -}}

{{- define "whisper-operator.podSecurity" -}}
# The user is the image's, 10001, unless the cluster assigns another, as OpenShift does.
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "whisper-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "whisper-operator.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- with .Values.operator.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "whisper-operator.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.operator.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
