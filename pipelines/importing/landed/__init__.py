"""Converted rows become landed days: additions, contradictions, the account."""
