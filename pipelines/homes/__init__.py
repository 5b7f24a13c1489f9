"""Homes copied, moved, backed up and restored."""
