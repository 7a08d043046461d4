variable "name" {
  description = "Prefix of the repositories."
  type        = string
}

variable "repositories" {
  description = "Images."
  type        = list(string)
  default     = ["taphound", "taphound-retrain", "taphound-mlflow"]
}

variable "keep" {
  description = "Newest images that are kept of each."
  type        = number
  default     = 50
}
