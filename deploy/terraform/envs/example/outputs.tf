output "pod_role_arns" {
  description = "The chart's retrain.roleArn and mlflow.roleArn."
  value       = module.identity.pod_role_arns
}

output "sensor_role_arn" {
  description = "What a sensor's credential helper asks for."
  value       = module.identity.sensor_role_arn
}

output "database_host" {
  description = "The chart's mlflow.database.host, with a cluster of one's own."
  value       = one(module.database[*].host)
}

output "database_secret_arn" {
  description = "What the chart's External Secret reads."
  value       = one(module.database[*].secret_arn)
}

output "repository_urls" {
  description = "Images of one's own."
  value       = module.images.repository_urls
}
