output "bucket" {
  description = "For `backend \"s3\"`."
  value       = aws_s3_bucket.state.id
}
