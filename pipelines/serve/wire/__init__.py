"""Requests and predictions as JSON and as Arrow."""
