output "table_arn" {
  description = "The log table."
  value       = aws_dynamodb_table.log.arn
}

output "bucket_arn" {
  description = "The bucket of models and logs."
  value       = aws_s3_bucket.data.arn
}

output "key_arn" {
  description = "The key that both are encrypted with."
  value       = aws_kms_key.data.arn
}
