# Applied once, before any environment: `terraform init && terraform apply -var bucket_name=...`, with the state on disk; then uncomment
# the backend and `terraform init -migrate-state`.

terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.90"
    }
  }
  # backend "s3" {
  #   bucket       = "example-terraform-state"
  #   key          = "state.tfstate"
  #   region       = "ap-southeast-1"
  #   encrypt      = true
  #   use_lockfile = true
  # }
}

variable "region" {
  description = "Where states are."
  type        = string
  default     = "ap-southeast-1"
}

variable "bucket_name" {
  description = "The bucket of states; names are global."
  type        = string
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Project = "taphound" }
  }
}

module "state" {
  source      = "../../modules/state"
  bucket_name = var.bucket_name
}
