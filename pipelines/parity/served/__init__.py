"""Served parity: what was really answered online, against the batch, with the cause of every
difference.
"""

from pipelines.parity.served.stage import served_day, served_parity

__all__ = ["served_day", "served_parity"]
