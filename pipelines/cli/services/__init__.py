"""Commands that start and stop services."""
