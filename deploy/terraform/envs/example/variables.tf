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

variable "oidc_provider_arn" {
  description = "OIDC provider of the Kubernetes cluster."
  type        = string
}

variable "oidc_issuer_url" {
  description = "Its issuer."
  type        = string
}
