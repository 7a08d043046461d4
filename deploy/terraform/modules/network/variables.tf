variable "name" {
  description = "Prefix of what is made."
  type        = string
}

variable "cidr" {
  description = "The network's addresses; a /16 gives subnets of /20."
  type        = string
  default     = "10.60.0.0/16"
}

variable "zones" {
  description = "Availability zones."
  type        = number
  default     = 3
  validation {
    condition     = var.zones >= 2 && var.zones <= 8
    error_message = "EKS and a Multi-AZ database need two zones; the address plan has room for eight."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone instead of one for all."
  type        = bool
  default     = false
}

variable "logs_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 365
}
