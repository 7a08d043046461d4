variable "name" {
  description = "Name of the database instance, and the prefix of what is made for it."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in two zones or more."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Who may reach it: the cluster's nodes."
  type        = string
}

variable "instance_class" {
  description = "Machine."
  type        = string
  default     = "db.t4g.medium"
}

variable "storage_gib" {
  description = "Storage at first; it grows by itself to five times as much."
  type        = number
  default     = 20
}

variable "multi_az" {
  description = "A second machine in another zone that takes over."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "Days back that the database can be restored to any second of."
  type        = number
  default     = 14
}
