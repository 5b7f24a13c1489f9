"""What ingest lets pass of a day: how many bad rows, and how late a row may come."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.usecases.policies.value_types import Days, Share


@dataclass(frozen=True, kw_only=True)
class IngestPolicy:
    """What ingest lets pass of a day."""

    bad_row_budget: Share = 0.005
    """The largest share of a feed's rows of a day that may be quarantined; beyond it the day is
    refused.
    """
    lateness_days: Days = 30
    """How many days after its own day a row may still land; a later one is quarantined."""
