"""How a batch is cut into tasks: stripes of days, and buckets of entity keys where a stripe is too
large for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import Protocol, Self

ROWS_PER_TASK = 4_000_000
"""Events that one task holds in memory, its output included: about 1 GB with fifteen features."""


class Days(Protocol):
    """A range of UTC days, both ends included."""

    @property
    def first(self) -> date: ...
    @property
    def last(self) -> date: ...


@dataclass(frozen=True, kw_only=True)
class Layout:
    """`stripes` of consecutive days, each a task with the history that it reaches back to.

    With one bucket a stripe holds all entities and every feature is computed in one pass. With
    more, the rows of a stripe are dealt out by entity key, in one pass for each kind of entity, so
    that no task outgrows its memory.
    """

    stripes: int = 1
    buckets: int = 1

    @classmethod
    def of(
        cls,
        *,
        rows: int,
        days: Days,
        reach_days: int,
        cores: int,
        rows_per_task: int = ROWS_PER_TASK,
    ) -> Self:
        """A layout for `rows` events, history included; a stripe is at least as long as the history
        read with it.
        """
        length = count(days)
        wanted = max(cores, ceil(rows / rows_per_task))
        stripes = max(1, min(wanted, length // max(reach_days, 1)))
        held = rows * (ceil(length / stripes) + reach_days) / (length + reach_days)
        return cls(stripes=stripes, buckets=max(1, ceil(held / rows_per_task)))

    def stripe_length(self, days: Days) -> int:
        """Days in a stripe; the last one may be shorter."""
        return ceil(count(days) / self.stripes)

    def stripe(self, number: int, days: Days) -> tuple[date, date]:
        """First and last day of a stripe."""
        length = self.stripe_length(days)
        first = days.first + timedelta(days=number * length)
        return first, min(days.last, first + timedelta(days=length - 1))


def count(days: Days) -> int:
    """Number of days in the range."""
    return (days.last - days.first).days + 1
