output "sensor_role_arn" {
  description = "What a sensor's credential helper asks for."
  value       = aws_iam_role.sensor.arn
}

output "pod_role_arns" {
  description = "Annotations eks.amazonaws.com/role-arn of the service accounts."
  value       = { for name, role in aws_iam_role.pod : name => role.arn }
}

output "pipeline_role_arns" {
  description = "The workflows' variables AWS_PLAN_ROLE and AWS_APPLY_ROLE."
  value       = { for name, role in aws_iam_role.pipeline : name => role.arn }
}
