"""What an import adds to a day, and what it takes back: rows, claims, and the reports of its
events.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.errors import UsageError
from pipelines.importing.conversion.conversion import LABEL, TIME, unlabelled
from pipelines.importing.conversion.labels import POSITIVE
from pipelines.importing.conversion.source import Source, SourceDay
from pipelines.importing.landed.claims import SCHEMA, Claims
from pipelines.importing.landed.landed_day import (
    LandedDay,
    empty_day,
    read_day,
    row_keys,
    together,
    typed_schema,
)
from pipelines.landing.landing import Landing
from pipelines.usecases.definition import Feed, UseCase

UNCLAIMED = Claims()
"""Claims that nobody keeps."""


@dataclass(frozen=True)
class DayAddition:
    """What importing one day means.

    `content` is the day as it will be, `kept` as much of it as was there before, `new` the source's
    own rows; `claims` are those of the source now, `claims_before` all that there were,
    `claims_kept` those that stay. `reports` are due by day, and so are `reports_taken_back`, which
    the source brought before and nobody claims any more. `events` and `positives` are counts of the
    source's rows.
    """

    content: LandedDay
    kept: LandedDay
    new: LandedDay
    claims: Any
    claims_before: Any
    claims_kept: Any
    reports: dict[date, Any]
    reports_taken_back: dict[date, Any]
    events: int
    positives: int


def day_addition(
    landing: Landing, source: Source, use_case: UseCase, day: date, claims: Claims, *, replace: bool
) -> DayAddition:
    """What importing `day` of the source adds to the landing zone; nothing is written."""
    feed = use_case.events
    content = source.events(day) or _nothing(source)
    new = together(feed, LandedDay(unlabelled(content.good), unlabelled(content.unreadable)))
    now = _claims(content, feed, source)
    before = claims.read(day)
    own = (
        pc.equal(before["source"], source.name)
        if replace
        else pa.array([False] * before.num_rows, pa.bool_())
    )
    kept_claims = before.filter(pc.invert(own))
    gone = _only_in(before.filter(own), kept_claims, "key")
    landed = read_day(landing, feed, day) or empty_day(feed)
    kept = _without(landed, feed, gone["key"]) if gone.num_rows else landed
    taken_back = _reports_taken_back(
        before.filter(own), pa.concat_tables([kept_claims, now]), use_case
    )
    return DayAddition(
        content=together(feed, kept, new),
        kept=kept,
        new=new,
        claims=now,
        claims_before=before,
        claims_kept=kept_claims,
        reports=_reports(content, use_case, source.mapping.labels.delay),
        reports_taken_back=taken_back,
        events=content.good.num_rows + content.unreadable.num_rows,
        positives=_positives(content.good) + _positives(content.unreadable),
    )


def _nothing(source: Source) -> SourceDay:
    file = source.files_read()[0]
    return SourceDay(file.good.slice(0, 0), file.unreadable.slice(0, 0), file.findings.slice(0, 0))


def _claims(content: SourceDay, feed: Feed, source: Source) -> Any:
    """The source's claims of a day: one for each event."""
    typed, texts = row_keys(LandedDay(content.good, content.unreadable), feed)
    delay = pa.scalar(source.mapping.labels.delay, pa.duration("us"))
    tables = []
    for keys, table, time in ((typed, content.good, feed.time), (texts, content.unreadable, TIME)):
        label = table[LABEL].combine_chunks()
        due = pc.add(table[time].combine_chunks(), delay)
        positive = pc.equal(label, POSITIVE)
        # A row that ingest will quarantine has no report: nothing would be found under its key.
        reported = positive if table is content.good else pc.and_(positive, pa.scalar(False))
        tables.append(
            pa.table(
                {
                    "key": _complete(keys, table, feed),
                    "source": pa.array([source.name] * table.num_rows, pa.string()),
                    "label": label,
                    "due": pc.if_else(reported, due, pa.scalar(None, due.type)),
                },
                schema=SCHEMA,
            )
        )
    return pa.concat_tables(tables)


def _complete(keys: Any, table: Any, feed: Feed) -> Any:
    """Keys as text; in the place of a missing one a digest of the whole row."""
    if not keys.null_count:
        return keys
    texts = keys.to_pylist()
    columns = [table[column.name].cast(pa.string()).to_pylist() for column in feed.columns]
    rows = list(zip(*columns, strict=True))
    return pa.array(
        [_digest(row) if key is None else key for key, row in zip(texts, rows, strict=True)],
        pa.string(),
    )


def _digest(row: tuple[str | None, ...]) -> str:
    return f"row {hashlib.sha256(repr(row).encode()).hexdigest()[:32]}"


def _without(landed: LandedDay, feed: Feed, gone: Any) -> LandedDay:
    """The landed rows without those of some keys."""
    typed, texts = row_keys(landed, feed)
    values = gone.combine_chunks()
    kept = [
        table.filter(pc.invert(pc.is_in(_complete(keys, table, feed), value_set=values)))
        for keys, table in ((typed, landed.typed), (texts, landed.texts))
    ]
    return LandedDay(*kept)


def _only_in(claims: Any, others: Any, column: str) -> Any:
    return claims.filter(
        pc.invert(pc.is_in(claims[column], value_set=others[column].combine_chunks()))
    )


def _reports(content: SourceDay, use_case: UseCase, delay: timedelta) -> dict[date, Any]:
    """Reports of the positive events, by the day on which they are due."""
    positive = content.good.filter(pc.equal(content.good[LABEL], POSITIVE))
    return _by_day(_reports_of(positive, use_case, delay), use_case)


def _reports_of(events: Any, use_case: UseCase, delay: timedelta) -> Any:
    """The reports of positive events (a table with the feed's columns): each so long after its
    event.
    """
    at = pc.add(events[use_case.events.time], pa.scalar(delay, pa.duration("us")))
    columns = {
        column.name: at if column.name == use_case.label.reported_at else events[column.name]
        for column in use_case.labels.columns
    }
    return pa.table(columns).cast(typed_schema(use_case.labels))


def _reports_taken_back(own_claims: Any, others: Any, use_case: UseCase) -> dict[date, Any]:
    """The reports that this source had brought and that no claim asks for any more, by their
    day.
    """
    feed = use_case.labels
    reported = own_claims.filter(own_claims["due"].is_valid())
    if not reported.num_rows:
        return {}
    if list(feed.key) != list(use_case.events.key) or len(feed.key) != 1:
        raise UsageError(
            "reports that were landed before cannot be taken back",
            where="--replace",
            expected=(
                f"{feed.name} and {use_case.events.name} with one key column, the same in both"
            ),
            found=f"{', '.join(feed.key)} and {', '.join(use_case.events.key)}",
            next_step=(
                f"take the reports of these days out of {feed.name} by hand; nothing was written"
            ),
        )
    still_due = others.filter(others["due"].is_valid()).select(["key", "due"])
    gone = reported.select(["key", "due"]).join(
        still_due, keys=["key", "due"], join_type="left anti"
    )
    columns = {feed.key[0]: gone["key"], use_case.label.reported_at: gone["due"]}
    schema = typed_schema(feed)
    return _by_day(
        pa.table({name: columns[name].cast(schema.field(name).type) for name in schema.names}),
        use_case,
    )


def _by_day(reports: Any, use_case: UseCase) -> dict[date, Any]:
    days = reports[use_case.labels.time].cast(pa.date32())
    return {day.as_py(): reports.filter(pc.equal(days, day)) for day in pc.unique(days)}


def _positives(rows: Any) -> int:
    return int(pc.sum(pc.equal(rows[LABEL], POSITIVE), min_count=0).as_py())
