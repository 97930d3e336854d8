{{/* Names and labels that several templates use. */}}

{{- define "vaultbind.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "vaultbind.fullname" -}}
{{- $name := include "vaultbind.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "vaultbind.provider.name" -}}
{{- printf "%s-provider" (include "vaultbind.fullname" .) }}
{{- end }}

{{- define "vaultbind.provider.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vaultbind.provider.name" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* These are immutable in a DaemonSet. */}}
{{- define "vaultbind.provider.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vaultbind.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: provider
{{- end }}

{{- define "vaultbind.provider.labels" -}}
{{ include "vaultbind.provider.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "vaultbind.provider.image" -}}
{{- $image := .Values.provider.image }}
{{- $repository := required "provider.image.repository is not set: name the repository that holds the image of the provider" $image.repository }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* The audience of the tokens that workload identity needs in this cloud. */}}
{{- define "vaultbind.audience" -}}
{{- $suffix := get (dict "AzureUSGovernmentCloud" "USGov" "AzureChinaCloud" "China") .Values.provider.cloudName }}
{{- printf "api://AzureADTokenExchange%s" $suffix }}
{{- end }}
