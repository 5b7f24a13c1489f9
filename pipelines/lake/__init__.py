"""The lake: Delta tables by day, read and written, looked after and repaired."""
