{{/* Names and labels that several objects carry. */}}
{{- define "tidegate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "tidegate.fullname" -}}
{{- $name := include "tidegate.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tidegate.selector" -}}
app.kubernetes.io/name: {{ include "tidegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tidegate.labels" -}}
{{ include "tidegate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* Whether a driver asks the cluster's API. */}}
{{- define "tidegate.asksApi" -}}
{{- with .Values.rbac -}}
{{- if or .gatewayApi .kserve .argoCd .flux -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* tidegate.yaml: what the user says, with the addresses and the token that only the chart can know. */}}
{{- define "tidegate.config" -}}
{{- $gateway := dict "listen" (printf "%s:%d" .Values.bindAddress (int .Values.gateway.port)) "token" "TIDEGATE_GATEWAY_TOKEN" -}}
{{- $console := dict "listen" (printf "%s:%d" .Values.bindAddress (int .Values.console.port)) -}}
{{- mergeOverwrite (deepCopy .Values.workspace.config) (dict "gateway" $gateway "console" $console) | toYaml -}}
{{- end -}}
