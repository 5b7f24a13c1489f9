"""Upkeep of a home: old days, erasure, repair, withdrawal of a day."""
