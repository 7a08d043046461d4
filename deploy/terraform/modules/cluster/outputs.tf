output "name" {
  description = "The cluster."
  value       = aws_eks_cluster.this.name
}

output "oidc_provider_arn" {
  description = "Who vouches for pods."
  value       = aws_iam_openid_connect_provider.pods.arn
}

output "oidc_issuer_url" {
  description = "Its issuer."
  value       = aws_eks_cluster.this.identity[0].oidc[0].issuer
}

output "security_group_id" {
  description = "The group that nodes are in; who may reach the database."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}
