"""What an import would do to each day of the landing zone, compared with what the day holds;
nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pyarrow as pa

from pipelines.base.days import DayRange
from pipelines.base.errors import TollgateError
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.additions import DayAddition, day_addition
from pipelines.importing.landed.claims import Claims
from pipelines.importing.landed.contradictions import (
    other_days,
    require_no_contradiction,
    rows_not_in,
)
from pipelines.importing.landed.landed_day import empty_day, read_day, typed_schema
from pipelines.landing.landing import Landing
from pipelines.usecases.definition import UseCase

DayState = Literal["new", "same", "added to", "corrected", "refused"]


@dataclass(frozen=True)
class DayComparison:
    """One day of a source beside the same day of the landing zone.

    `new`: nothing has landed for it. `same`: all of it is there. `added to`: rows come to those
    that are there. `corrected`: rows that this source had landed are taken away (`--replace`).
    `refused`: `refusal` says why, and nothing of the whole import would be written. `events_added`,
    `events_removed`, `reports_added` and `reports_removed` are counts of rows; reports count for
    the day of their event.
    """

    day: date
    state: DayState
    events_added: int = 0
    events_removed: int = 0
    reports_added: int = 0
    reports_removed: int = 0
    refusal: TollgateError | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "day": str(self.day),
            "state": self.state,
            "events_added": self.events_added,
            "events_removed": self.events_removed,
            "reports_added": self.reports_added,
            "reports_removed": self.reports_removed,
            "refused": self.refusal.fields() if self.refusal else None,
        }


def compared_days(
    landing: Landing,
    source: Source,
    use_case: UseCase,
    days: DayRange,
    claims: Claims,
    *,
    replace: bool = False,
) -> Iterator[DayComparison]:
    """Compare those of `days` that the source speaks of, in order.

    An import of the same range refuses what is refused here, with the same words. Raises what
    reading the source or the landing zone raises.
    """
    others = other_days(landing, source, use_case, days, claims)
    for day in days:
        if not source.holds(day) and not (replace and source.name in claims.sources(day)):
            continue
        try:
            addition = day_addition(landing, source, use_case, day, claims, replace=replace)
            require_no_contradiction(source, use_case, day, addition, others)
        except TollgateError as error:
            yield DayComparison(day, "refused", refusal=error)
            continue
        yield _compared(landing, use_case, day, addition)


def _compared(
    landing: Landing, use_case: UseCase, day: date, addition: DayAddition
) -> DayComparison:
    landed = read_day(landing, use_case.events, day)
    before = landed or empty_day(use_case.events)
    after = addition.content
    added = sum(
        rows_not_in(old, now).num_rows
        for old, now in ((before.typed, after.typed), (before.texts, after.texts))
    )
    removed = sum(
        rows_not_in(now, old).num_rows
        for old, now in ((before.typed, after.typed), (before.texts, after.texts))
    )
    reports_added = _reports(landing, use_case, addition.reports, are_there=False)
    reports_removed = _reports(landing, use_case, addition.reports_taken_back, are_there=True)
    state: DayState = "same"
    if landed is None:
        state = "new"
    elif removed or reports_removed:
        state = "corrected"
    elif added or reports_added:
        state = "added to"
    return DayComparison(day, state, added, removed, reports_added, reports_removed)


def _reports(
    landing: Landing, use_case: UseCase, by_day: dict[date, Any], *, are_there: bool
) -> int:
    """How many of some reports are in the landing zone, or are not."""
    feed = use_case.labels
    schema = typed_schema(feed)
    count = 0
    for day, reports in by_day.items():
        landed = (read_day(landing, feed, day) or empty_day(feed)).typed.cast(schema)
        wanted = pa.concat_tables([reports]).cast(schema)
        missing = rows_not_in(landed, wanted).num_rows
        different = rows_not_in(landed.slice(0, 0), wanted).num_rows
        count += different - missing if are_there else missing
    return count
