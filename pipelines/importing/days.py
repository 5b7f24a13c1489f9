"""Imports days of a source into the landing zone: events on their day, a report of each positive on its own day.

The reports of a day are a function of the source alone: those of all its events that are due on it. So the reports
that are due after the last day are written too, and importing a range in two calls gives what one call gives. Where
the source speaks of none of those later days, their events land as empty days, so that they can be ingested
(decision 0113).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.importing.conversion import POSITIVE
from pipelines.importing.source import Source
from pipelines.platform.arrow_types import arrow_type
from pipelines.platform.days import DayRange
from pipelines.platform.landing import Landing
from pipelines.usecases.definition import UseCase


@dataclass(frozen=True)
class Imported:
    """One landed day: its events, positive ones among them, and reports that landed with it.

    `ready`: both feeds of the day have arrived, so it can be ingested. False only for a day after the range.
    """

    day: date
    events: int
    positives: int
    reports: int
    ready: bool = True


def import_days(landing: Landing, source: Source, use_case: UseCase, days: DayRange) -> Iterator[Imported]:
    """Import `days`, and the reports due up to the label delay after them; yields an account of each day written.

    Raises `UsageError` (days missing in the source) before anything is written; `ConfigurationError` where a file does
    not fit the mapping: the days before it are complete then.
    """
    source.require(days)
    delay = source.mapping.labels.delay
    reach = math.ceil(delay / timedelta(days=1))
    due: dict[date, list[Any]] = defaultdict(list)
    for day in days.widened(before=reach, after=reach):
        events = source.events(day) if day <= days.last else None
        if events is not None:
            for report_day, reports in _reports(events, use_case, delay):
                due[report_day].append(reports)
        if day >= days.first:
            reports = _in_order(due.pop(day, []), use_case)
            if events is None:
                ready = _ready_without_events(landing, source, use_case, day)
                done = Imported(day, 0, 0, reports.num_rows, ready)
            else:
                landing.write_day(use_case.events.name, day, [events.drop_columns([POSITIVE])])
                done = Imported(day, events.num_rows, _positives(events), reports.num_rows)
            landing.write_day(use_case.labels.name, day, [reports])
            yield done


def _ready_without_events(landing: Landing, source: Source, use_case: UseCase, day: date) -> bool:
    """Land a day after the range as empty, unless the source or the landing zone has it; True once it has arrived."""
    if landing.arrival(use_case.events.name, day).arrived:
        return True
    if source.holds(day):
        return False
    landing.write_day(use_case.events.name, day, [])
    return True


def _reports(events: Any, use_case: UseCase, delay: timedelta) -> Iterator[tuple[date, Any]]:
    """Reports of the positive events, by the day on which they are due."""
    positive = events.filter(events[POSITIVE])
    at = pc.add(positive[use_case.events.time], pa.scalar(delay, pa.duration("us")))
    columns = {
        column.name: at if column.name == use_case.label.reported_at else positive[column.name]
        for column in use_case.labels.columns
    }
    reports, days = pa.table(columns, schema=_schema(use_case)), at.cast(pa.date32())
    for day in pc.unique(days):
        yield day.as_py(), reports.filter(pc.equal(days, day))


def _in_order(parts: list[Any], use_case: UseCase) -> Any:
    """One table, ordered by time and key."""
    schema = _schema(use_case)
    order = [(use_case.labels.time, "ascending"), *((name, "ascending") for name in use_case.labels.key)]
    return pa.concat_tables(parts or [schema.empty_table()]).sort_by(order)


def _schema(use_case: UseCase) -> Any:
    return pa.schema([(column.name, arrow_type(column.type)) for column in use_case.labels.columns])


def _positives(events: Any) -> int:
    return int(pc.sum(events[POSITIVE], min_count=0).as_py())
