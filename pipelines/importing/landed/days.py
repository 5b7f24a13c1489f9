"""Imports days of a source into the landing zone: events on their day, a report of each positive on
its own day.

Landing is additive: an import adds to what a day holds, whoever brought it, and takes nothing away.
A report lands with its event. So a range that is imported in any pieces, in any order, any number
of times, from one file or several, lands the same bytes (decision 0275). Where two sources say
different things of one event, the import is refused and names both; a corrected file of the same
source replaces what that source had landed, on request.

Report days after the range, of which the source holds no events, land with an empty list of events,
so that they can be ingested (decision 0113).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from pipelines.base.days import DayRange
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.additions import UNCLAIMED, DayAddition, day_addition
from pipelines.importing.landed.claims import Claims
from pipelines.importing.landed.contradictions import other_days, require_no_contradiction
from pipelines.importing.landed.judgement import judged
from pipelines.importing.landed.landed_day import (
    LandedDay,
    empty_day,
    read_day,
    together,
    typed_schema,
    write_day,
)
from pipelines.landing.landing import Landing
from pipelines.usecases.definition import UseCase

_KEPT_ROWS = 4_000_000


@dataclass(frozen=True)
class Imported:
    """One landed day: the source's events of it, positive ones among them, and its reports that are
    due on it.

    `ready`: both feeds of the day have arrived, so it can be ingested. False only for a day after
    the range. `changed`: the day's files are others than before.
    """

    day: date
    events: int
    positives: int
    reports: int
    ready: bool = True
    changed: bool = True


def import_days(
    landing: Landing,
    source: Source,
    use_case: UseCase,
    days: DayRange,
    *,
    claims: Claims = UNCLAIMED,
    replace: bool = False,
    is_judged: bool = False,
) -> Iterator[Imported]:
    """Import `days`, with the reports of their events; yields an account of each day written.

    `claims` remember which source brought what; `replace` takes away what this source had brought
    for `days` and does not bring any more. `is_judged`: `judgement.judged` has passed the source
    already. Raises `UsageError` (days missing in the source) and `ConfigurationError` (a file that
    does not fit the mapping, or contradicts another source) before anything is written.
    """
    if not is_judged:
        judged(
            source,
            use_case,
            days,
            emptied=claimed_days(claims, source, days) if replace else frozenset(),
        )
    others = other_days(landing, source, use_case, days, claims)
    reach = math.ceil(source.mapping.labels.delay / timedelta(days=1))
    additions = _Additions(
        lambda day: day_addition(landing, source, use_case, day, claims, replace=replace)
    )
    due: dict[date, list[Any]] = defaultdict(list)
    taken_back: dict[date, list[Any]] = defaultdict(list)
    for day in days:
        addition = additions.of(day)
        require_no_contradiction(source, use_case, day, addition, others)
        for report_day, reports in addition.reports.items():
            due[report_day].append(reports)
        for report_day, reports in addition.reports_taken_back.items():
            taken_back[report_day].append(reports)

    for day in days:
        # First what an import after a crash has to know: all that this source has landed, or is
        # about to land.
        addition = additions.of(day)
        claimed = pa.concat_tables([addition.claims_before, addition.claims])
        claims.write(day, claimed, importer=source.name)
    changed = {
        day: _write_reports(landing, use_case, day, due.get(day, []), taken_back.get(day, []))
        for day in sorted({*days.widened(after=reach), *taken_back})
    }
    for day in days.widened(after=reach):
        reports = sum(part.num_rows for part in due.get(day, []))
        if day in days:
            addition = additions.of(day)
            written = write_day(landing, use_case.events, day, addition.content)
            if replace:
                claimed = pa.concat_tables([addition.claims_kept, addition.claims])
                claims.write(day, claimed, importer=source.name)
            yield Imported(
                day, addition.events, addition.positives, reports, changed=written or changed[day]
            )
        else:
            ready = _ready_without_events(landing, source, use_case, day)
            yield Imported(day, 0, 0, reports, ready, changed[day])


class _Additions:
    """What each day adds, kept in memory as far as it fits: it is asked for more than once."""

    def __init__(self, make: Callable[[date], DayAddition]) -> None:
        self._make = make
        self._kept: dict[date, DayAddition] = {}
        self._rows = 0

    def of(self, day: date) -> DayAddition:
        if day in self._kept:
            return self._kept[day]
        addition = self._make(day)
        if self._rows + addition.content.rows <= _KEPT_ROWS:
            self._kept[day] = addition
            self._rows += addition.content.rows
        return addition


def claimed_days(claims: Claims, source: Source, days: DayRange) -> frozenset[date]:
    """The days of the range for which the source has been imported before."""
    return frozenset(day for day in days if source.name in claims.sources(day))


def _ready_without_events(landing: Landing, source: Source, use_case: UseCase, day: date) -> bool:
    """Land a day after the range as empty, unless the source or the landing zone has it; True once
    it has arrived.
    """
    if landing.arrival(use_case.events.name, day).arrived:
        return True
    if source.holds(day):
        return False
    write_day(landing, use_case.events, day, empty_day(use_case.events))
    return True


def _write_reports(
    landing: Landing, use_case: UseCase, day: date, added: list[Any], removed: list[Any]
) -> bool:
    """Land a day of reports: what is there, without `removed`, and `added`; whether anything had to
    be written.
    """
    feed = use_case.labels
    schema = typed_schema(feed)
    before = read_day(landing, feed, day) or empty_day(feed)
    kept = before.typed
    if removed:
        gone = pa.concat_tables(removed).cast(schema)
        kept = (
            kept.join(gone, keys=schema.names, join_type="left anti").cast(schema)
            if gone.num_rows
            else kept
        )
    typed = pa.concat_tables([kept, *(part.cast(schema) for part in added)])
    return write_day(landing, feed, day, together(feed, LandedDay(typed, before.texts)))
