{{/* The operator's objects have one name in their namespace: as the Lease does, for which operators compete. */}}
{{- define "ballast.name" -}}
ballast-operator
{{- end }}

{{/* Names of what belongs to no namespace; releases in two namespaces do not meet. */}}
{{- define "ballast.globalName" -}}
ballast-operator:{{ .Release.Namespace }}
{{- end }}

{{- define "ballast.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "ballast.name" .) }}
{{- end }}

{{- define "ballast.selector" -}}
app.kubernetes.io/name: ballast-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ballast.labels" -}}
{{ include "ballast.selector" . }}
{{ include "ballast.commonLabels" . }}
{{- end }}

{{/* Of `helm test`: its pod must not be taken for an operator. */}}
{{- define "ballast.testLabels" -}}
app.kubernetes.io/name: ballast-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "ballast.commonLabels" . }}
{{- end }}

{{- define "ballast.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: ballast
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* (dict "root" . "image" .Values.images.x): a digest counts more than a tag. */}}
{{- define "ballast.image" -}}
{{- $images := .root.Values.images -}}
{{- with $images.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{ .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}
{{- else }}:{{ .image.tag | default $images.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What `restricted` namespaces ask of a pod, and of each container. */}}
{{- define "ballast.podSecurity" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "ballast.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
