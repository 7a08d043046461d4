variable "bucket_name" {
  description = "The bucket of states; names are global."
  type        = string
}
