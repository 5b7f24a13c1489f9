"""What the daily list for review holds."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.usecases.policies.value_types import Count, Days, NoneOrMore


@dataclass(frozen=True, kw_only=True)
class ReviewPolicy:
    """What the alert list holds: the `capacity` units (values of `unit`) with the highest scores of
    a day.
    """

    unit: str
    """The key column whose values are reviewed: a row of the list is one of them."""
    capacity: Count
    """How many units of a day are reviewed."""
    reasons: NoneOrMore = 3
    """How many reasons are given for each unit on the list."""
    detected_days: Days = 28
    """A unit with a positive reported within so many days before is known already and left out of
    the list.
    """
