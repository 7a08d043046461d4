variable "name" {
  description = "The cluster's name, and the prefix of what is made for it."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes."
  type        = string
  default     = "1.32"
}

variable "subnet_ids" {
  description = "Private subnets in two zones or more."
  type        = list(string)
}

variable "public_access_cidrs" {
  description = "Networks that may reach the control plane from outside; empty: none."
  type        = list(string)
  default     = []
  validation {
    condition     = !contains(var.public_access_cidrs, "0.0.0.0/0")
    error_message = "Name the networks of the people who administer the cluster; the whole Internet is not one of them."
  }
}

variable "instance_types" {
  description = "Machines of the nodes."
  type        = list(string)
  default     = ["m7i.large"]
}

variable "nodes_min" {
  description = "Fewest nodes."
  type        = number
  default     = 2
}

variable "nodes_max" {
  description = "Most nodes."
  type        = number
  default     = 5
}

variable "logs_days" {
  description = "Days that logs of the control plane are kept."
  type        = number
  default     = 365
}
