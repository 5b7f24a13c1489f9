"""Ingest: what has landed becomes lake tables, or is quarantined, or is refused; every row is
accounted for.
"""

from pipelines.nightly.ingest.stage import ingest

__all__ = ["ingest"]
