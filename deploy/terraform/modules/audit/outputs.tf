output "log_group_name" {
  description = "Where the trail can be searched, and alarms be built on it."
  value       = aws_cloudwatch_log_group.trail.name
}
