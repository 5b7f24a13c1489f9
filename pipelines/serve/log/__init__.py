"""Predictions on their way into the log."""
