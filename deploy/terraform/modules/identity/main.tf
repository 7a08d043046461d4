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

# A sensor adds rows and labels, reads labels of its own, writes logs and reports, and reads models. It deletes nothing.
data "aws_iam_policy_document" "sensor" {
  statement {
    sid       = "Rows"
    actions   = ["dynamodb:UpdateItem", "dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:GetItem"]
    resources = [var.table_arn]
  }
  statement {
    sid       = "Labels"
    actions   = ["dynamodb:Query"]
    resources = ["${var.table_arn}/index/by_label"]
  }
  statement {
    sid       = "Write"
    actions   = ["s3:PutObject"]
    resources = [for prefix in ["logs", "health", "enrolment"] : "${var.bucket_arn}/${prefix}/*"]
  }
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = [for prefix in ["models", "channels", "enrolment"] : "${var.bucket_arn}/${prefix}/*"]
  }
  statement {
    sid       = "Key"
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
  policy = data.aws_iam_policy_document.sensor.json
}

# The retraining pipeline reads labelled rows and logs, and writes models, pointers, data sets and its lock.
data "aws_iam_policy_document" "retrain" {
  statement {
    sid       = "LabelledRows"
    actions   = ["dynamodb:Query", "dynamodb:Scan", "dynamodb:DescribeTable"]
    resources = [var.table_arn, "${var.table_arn}/index/*"]
  }
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]
  }
  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${var.bucket_arn}/*"]
  }
  # Compaction replaces small log files; the lock is given back. Models and pointers are never deleted.
  statement {
    sid       = "Tidy"
    actions   = ["s3:DeleteObject"]
    resources = [for prefix in ["logs", "locks"] : "${var.bucket_arn}/${prefix}/*"]
  }
  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]
  }
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
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]
  }
}

locals {
  issuer = trimprefix(var.oidc_issuer_url, "https://")
  pods = {
    retrain = { account = "taphound-retrain", policy = data.aws_iam_policy_document.retrain.json }
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

resource "aws_iam_role_policy" "pod" {
  for_each = local.pods
  name     = each.key
  role     = aws_iam_role.pod[each.key].id
  policy   = each.value.policy
}
