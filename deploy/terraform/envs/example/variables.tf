variable "name" {
  description = "Prefix of what is made."
  type        = string
  default     = "taphound-example"
}

variable "region" {
  description = "Where the centre is."
  type        = string
  default     = "ap-southeast-1"
}

variable "replica_region" {
  description = "Where copies of models and logs go."
  type        = string
  default     = "ap-northeast-1"
}

variable "bucket_name" {
  description = "The bucket of models and logs; names are global."
  type        = string
}

variable "replica_bucket_name" {
  description = "Its copy; empty: none."
  type        = string
  default     = ""
}

variable "sensor_ca_pem" {
  description = "The CA of the sensors' certificates."
  type        = string
}

variable "own_cluster" {
  description = "Make a network, a cluster and a database; false: an existing cluster is named below."
  type        = bool
  default     = false
}

variable "admin_cidrs" {
  description = "Networks that may reach the own cluster's control plane; empty: none from outside."
  type        = list(string)
  default     = []
}

variable "trail_bucket_name" {
  description = "A bucket for the audit trail; names are global."
  type        = string
}

variable "oidc_provider_arn" {
  description = "OIDC provider of the existing Kubernetes cluster."
  type        = string
  default     = ""
}

variable "oidc_issuer_url" {
  description = "Its issuer."
  type        = string
  default     = ""
}
