# One environment: copy the folder, fill in terraform.tfvars, `terraform init && terraform plan`.

terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.90"
    }
  }
  # The state lies in a bucket of its own, encrypted and locked by an object beside it.
  backend "s3" {
    bucket       = "example-terraform-state"
    key          = "taphound/example.tfstate"
    region       = "ap-southeast-1"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Project = "taphound", Environment = "example" }
  }
}

provider "aws" {
  alias  = "replica"
  region = var.replica_region
  default_tags {
    tags = { Project = "taphound", Environment = "example" }
  }
}

module "data" {
  source              = "../../modules/data"
  name                = var.name
  bucket_name         = var.bucket_name
  replica_bucket_name = var.replica_bucket_name
  providers = {
    aws         = aws
    aws.replica = aws.replica
  }
}

# A cluster of one's own, with network and database; without `own_cluster` an existing cluster's OIDC provider is named instead.
module "network" {
  count  = var.own_cluster ? 1 : 0
  source = "../../modules/network"
  name   = var.name
}

module "cluster" {
  count               = var.own_cluster ? 1 : 0
  source              = "../../modules/cluster"
  name                = var.name
  subnet_ids          = module.network[0].private_subnet_ids
  public_access_cidrs = var.admin_cidrs
}

module "database" {
  count                    = var.own_cluster ? 1 : 0
  source                   = "../../modules/database"
  name                     = var.name
  vpc_id                   = module.network[0].vpc_id
  subnet_ids               = module.network[0].private_subnet_ids
  client_security_group_id = module.cluster[0].security_group_id
}

module "images" {
  source = "../../modules/images"
  name   = var.name
}

module "audit" {
  source            = "../../modules/audit"
  name              = var.name
  trail_bucket_name = var.trail_bucket_name
  bucket_arn        = module.data.bucket_arn
  table_arn         = module.data.table_arn
}

module "identity" {
  source            = "../../modules/identity"
  name              = var.name
  table_arn         = module.data.table_arn
  bucket_arn        = module.data.bucket_arn
  key_arn           = module.data.key_arn
  sensor_ca_pem     = var.sensor_ca_pem
  oidc_provider_arn = var.own_cluster ? module.cluster[0].oidc_provider_arn : var.oidc_provider_arn
  oidc_issuer_url   = var.own_cluster ? module.cluster[0].oidc_issuer_url : var.oidc_issuer_url
}
