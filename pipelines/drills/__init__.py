"""Practised emergencies."""
