output "host" {
  description = "Where it listens; the chart's mlflow.database.host."
  value       = aws_db_instance.this.address
}

output "secret_arn" {
  description = "Name and password, in Secrets Manager; the chart's External Secret reads it."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
