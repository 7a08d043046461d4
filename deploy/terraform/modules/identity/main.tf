# Who may do what, without a single long-lived key: pods by the cluster's OIDC provider (IRSA), sensors by a certificate (IAM Roles
# Anywhere), pipelines by GitHub's OIDC provider.

terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.90"
    }
  }
}

# What a sensor and the centre may do stands in deploy/iam, and is executed by the tests; the key that table and bucket are encrypted
# with comes on top. A sensor writes and reads rows whose key begins with its own name, which is its certificate's.
locals {
  policies = {
    for who in ["sensor", "centre"] : who => templatefile("${path.module}/../../../iam/${who}.json", {
      table_arn   = var.table_arn
      bucket_arn  = var.bucket_arn
      objects_arn = var.bucket_arn
      sensor_id   = "$${aws:PrincipalTag/x509Subject/CN}"
    })
  }
}

data "aws_iam_policy_document" "key" {
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]
  }
}

data "aws_iam_policy_document" "sensor_trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    principals {
      type        = "Service"
      identifiers = ["rolesanywhere.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_rolesanywhere_trust_anchor.sensors.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalTag/x509Subject/OU"
      values   = ["taphound-sensor"]
    }
  }
}

resource "aws_rolesanywhere_trust_anchor" "sensors" {
  name    = "${var.name}-sensors"
  enabled = true
  source {
    source_type = "CERTIFICATE_BUNDLE"
    source_data {
      x509_certificate_data = var.sensor_ca_pem
    }
  }
}

resource "aws_rolesanywhere_profile" "sensors" {
  name             = "${var.name}-sensors"
  enabled          = true
  duration_seconds = 3600
  role_arns        = [aws_iam_role.sensor.arn]
}

resource "aws_iam_role" "sensor" {
  name               = "${var.name}-sensor"
  assume_role_policy = data.aws_iam_policy_document.sensor_trust.json
}

resource "aws_iam_role_policy" "sensor" {
  name   = "sensor"
  role   = aws_iam_role.sensor.id
  policy = local.policies.sensor
}

# MLflow keeps its artifacts below one prefix.
data "aws_iam_policy_document" "mlflow" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["mlflow/*"]
    }
  }
  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${var.bucket_arn}/mlflow/*"]
  }
}

locals {
  issuer = trimprefix(var.oidc_issuer_url, "https://")
  pods = {
    retrain = { account = "taphound-retrain", policy = local.policies.centre }
    mlflow  = { account = "taphound-mlflow", policy = data.aws_iam_policy_document.mlflow.json }
  }
}

data "aws_iam_policy_document" "pod_trust" {
  for_each = local.pods
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${var.namespace}:${each.value.account}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "pod" {
  for_each           = local.pods
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.pod_trust[each.key].json
}

resource "aws_iam_role_policy" "key" {
  for_each = merge({ sensor = aws_iam_role.sensor.id }, { for name, role in aws_iam_role.pod : name => role.id })
  name     = "key"
  role     = each.value
  policy   = data.aws_iam_policy_document.key.json
}

resource "aws_iam_role_policy" "pod" {
  for_each = local.pods
  name     = each.key
  role     = aws_iam_role.pod[each.key].id
  policy   = each.value.policy
}
