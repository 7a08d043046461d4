variable "name" {
  description = "Prefix of what is made."
  type        = string
}

variable "table_arn" {
  description = "The log table."
  type        = string
}

variable "bucket_arn" {
  description = "The bucket of models and logs."
  type        = string
}

variable "key_arn" {
  description = "The key that both are encrypted with."
  type        = string
}

variable "sensor_ca_pem" {
  description = "The CA whose certificates (OU taphound-sensor) make somebody a sensor."
  type        = string
}

variable "oidc_provider_arn" {
  description = "The cluster's OIDC provider."
  type        = string
}

variable "oidc_issuer_url" {
  description = "Its issuer."
  type        = string
}

variable "namespace" {
  description = "Kubernetes namespace of the centre."
  type        = string
  default     = "taphound"
}

variable "github_repository" {
  description = "OWNER/NAME whose pipelines may plan and apply; empty: none."
  type        = string
  default     = ""
}

variable "state_bucket_arn" {
  description = "The bucket of states, which pipelines read and write."
  type        = string
  default     = ""
}

variable "apply_policy_arn" {
  description = "What an apply from the environment `production` may do; empty: nothing can be applied from a pipeline."
  type        = string
  default     = ""
}
