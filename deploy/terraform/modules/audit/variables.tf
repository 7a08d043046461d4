variable "name" {
  description = "The trail's name, and the prefix of what is made for it."
  type        = string
}

variable "trail_bucket_name" {
  description = "A bucket of its own for the trail; names are global."
  type        = string
}

variable "bucket_arn" {
  description = "The bucket whose objects are watched."
  type        = string
}

variable "table_arn" {
  description = "The table whose items are watched."
  type        = string
}

variable "trail_days" {
  description = "Days that the trail is kept, and cannot be changed."
  type        = number
  default     = 400
}

variable "logs_days" {
  description = "Days that its copy in CloudWatch can be searched."
  type        = number
  default     = 365
}
