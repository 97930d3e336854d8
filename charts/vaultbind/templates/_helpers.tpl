{{/*
Names and labels that several templates use, and what the pods of both programs have in common. What is
of one program takes (dict "root" $ "program" "provider" or "operator").
*/}}

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

{{- define "vaultbind.program.name" -}}
{{- printf "%s-%s" (include "vaultbind.fullname" .root) .program }}
{{- end }}

{{/* These are immutable in a DaemonSet and in a Deployment. */}}
{{- define "vaultbind.program.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vaultbind.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .program }}
{{- end }}

{{- define "vaultbind.program.labels" -}}
{{ include "vaultbind.program.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "vaultbind.program.image" -}}
{{- $image := (get .root.Values .program).image }}
{{- $repository := required (printf "%s.image.repository is not set: name the repository that holds the image of the %s" .program .program) $image.repository }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* The environment of a program; empty if it has none. */}}
{{- define "vaultbind.program.env" -}}
{{- $values := get .root.Values .program }}
{{- with $values.proxy.httpsProxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with $values.proxy.noProxy }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if include "vaultbind.program.trustedCA" . }}
# The file alone would replace the authorities of the image, which lie in the folder.
- name: SSL_CERT_FILE
  value: /etc/vaultbind/trusted-ca/ca.crt
- name: SSL_CERT_DIR
  value: /etc/ssl/certs
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The volume of further authorities; empty if there are none. */}}
{{- define "vaultbind.program.trustedCA" -}}
{{- with (get .root.Values .program).trustedCA }}
{{- if or .configMapName .secretName }}
- name: trusted-ca
  {{- if .configMapName }}
  configMap:
    name: {{ .configMapName | quote }}
  {{- else }}
  secret:
    secretName: {{ .secretName | quote }}
  {{- end }}
    items:
      - key: {{ .key | quote }}
        path: ca.crt
{{- end }}
{{- end }}
{{- end }}

{{/* Fields of a pod that are the values' own. */}}
{{- define "vaultbind.program.pod" -}}
{{- $values := get .root.Values .program }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Ports of a program's HTTP endpoints: one of both is named once. */}}
{{- define "vaultbind.program.ports" -}}
{{- $http := (get .root.Values .program).http -}}
- name: health
  containerPort: {{ int $http.healthzPort }}
{{- if ne (int $http.metricsPort) (int $http.healthzPort) }}
- name: metrics
  containerPort: {{ int $http.metricsPort }}
{{- end }}
{{- end }}

{{- define "vaultbind.program.podMonitor" -}}
{{- $values := get .root.Values .program }}
{{- with $values.podMonitor }}
{{- if .enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "vaultbind.program.name" $ }}
  namespace: {{ $.root.Release.Namespace }}
  labels:
    {{- include "vaultbind.program.labels" $ | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "vaultbind.program.selectorLabels" $ | nindent 6 }}
  podMetricsEndpoints:
    - port: {{ if eq (int $values.http.metricsPort) (int $values.http.healthzPort) }}health{{ else }}metrics{{ end }}
      {{- with .interval }}
      interval: {{ . | quote }}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "vaultbind.provider.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "vaultbind.program.name" (dict "root" . "program" "provider")) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "vaultbind.operator.serviceAccountName" -}}
{{- with .Values.operator.serviceAccount }}
{{- if .create }}
{{- default (include "vaultbind.program.name" (dict "root" $ "program" "operator")) .name }}
{{- else }}
{{- required "operator.serviceAccount.name is not set: with create: false name the ServiceAccount of the operator, which gets its rights" .name }}
{{- end }}
{{- end }}
{{- end }}

{{/* The audience of the tokens that workload identity needs in this cloud. */}}
{{- define "vaultbind.audience" -}}
{{- $suffix := get (dict "AzureUSGovernmentCloud" "USGov" "AzureChinaCloud" "China") .Values.provider.cloudName }}
{{- printf "api://AzureADTokenExchange%s" $suffix }}
{{- end }}
