"""Figures that the scorer keeps of itself, for `/metrics`."""
