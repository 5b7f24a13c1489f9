"""Files in a folder or in an S3 bucket, behind the same few operations."""
