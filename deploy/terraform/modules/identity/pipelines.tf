# Pipelines of one repository: whoever runs there may plan, and only the environment `production`, which people approve, may apply.

locals {
  subjects = var.github_repository == "" ? {} : merge(
    {
      plan = ["repo:${var.github_repository}:ref:refs/heads/main", "repo:${var.github_repository}:pull_request"]
    },
    var.apply_policy_arn == "" ? {} : { apply = ["repo:${var.github_repository}:environment:production"] },
  )
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = length(local.subjects) > 0 ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "pipeline_trust" {
  for_each = local.subjects
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github[0].arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = each.value
    }
  }
}

resource "aws_iam_role" "pipeline" {
  for_each             = local.subjects
  name                 = "${var.name}-pipeline-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.pipeline_trust[each.key].json
  max_session_duration = 3600
}

resource "aws_iam_role_policy_attachment" "pipeline" {
  for_each   = local.subjects
  role       = aws_iam_role.pipeline[each.key].name
  policy_arn = each.key == "plan" ? "arn:aws:iam::aws:policy/ReadOnlyAccess" : var.apply_policy_arn
}

# ReadOnlyAccess reads the state; its lock must be written.
data "aws_iam_policy_document" "state" {
  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${var.state_bucket_arn}/*"]
  }
}

resource "aws_iam_role_policy" "state" {
  for_each = var.state_bucket_arn == "" ? {} : local.subjects
  name     = "state"
  role     = aws_iam_role.pipeline[each.key].id
  policy   = data.aws_iam_policy_document.state.json
}
