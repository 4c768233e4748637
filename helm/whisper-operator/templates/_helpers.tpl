{{/* The name of everything in this release. 50 characters leave room for suffixes. */}}
{{- define "whisper-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The name of what is not in a namespace: two releases of one name in two namespaces must not meet. */}}
{{- define "whisper-operator.clusterName" -}}
{{- printf "%s-%s" (include "whisper-operator.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "whisper-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "whisper-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What selects the operator's pods: never changes during a release's life. */}}
{{- define "whisper-operator.selectorLabels" -}}
app.kubernetes.io/name: whisper-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "whisper-operator.labels" -}}
{{- with .Values.labels -}}
{{ toYaml . }}
{{ end -}}
{{ include "whisper-operator.ownLabels" . }}
{{- end -}}

{{- define "whisper-operator.ownLabels" -}}
{{ include "whisper-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The labels of what is none of the operator's pods, and not to be selected with them, from (list $ "check"). */}}
{{- define "whisper-operator.labelsOf" -}}
{{- set (include "whisper-operator.labels" (index . 0) | fromYaml) "app.kubernetes.io/component" (index . 1) | toYaml -}}
{{- end -}}

{{/* One image, from (list $ .Values.images.loader). */}}
{{- define "whisper-operator.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- with $root.Values.images.registry -}}
{{- $name = printf "%s/%s" . $image.repository -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "whisper-operator.monitoringLabels" -}}
{{- with .Values.monitoring.labels -}}
{{ toYaml . }}
{{ end -}}
{{ include "whisper-operator.labels" . }}
{{- end -}}
