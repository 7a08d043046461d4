variable "name" {
  description = "Prefix of what is made."
  type        = string
}

variable "table_name" {
  description = "The log table."
  type        = string
  default     = "ids_log_system"
}

variable "bucket_name" {
  description = "The bucket of models, channel pointers, data sets and logs."
  type        = string
}

variable "replica_bucket_name" {
  description = "A bucket in the second region; empty: nothing is copied."
  type        = string
  default     = ""
}

variable "logs_days" {
  description = "Days after which Parquet logs are deleted."
  type        = number
  default     = 400
}

variable "write_units_max" {
  description = "Most write units a second; a bound on the bill. -1: none."
  type        = number
  default     = 4000
}

variable "read_units_max" {
  description = "Most read units a second. -1: none."
  type        = number
  default     = 4000
}
