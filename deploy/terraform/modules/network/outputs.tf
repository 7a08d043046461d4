output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Where cluster and database are."
  value       = aws_subnet.private[*].id
}

output "public_subnet_ids" {
  description = "Where load balancers are."
  value       = aws_subnet.public[*].id
}
