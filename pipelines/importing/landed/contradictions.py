"""Two sources that say different things of one event: found before anything is written, and both
are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError
from pipelines.base.printable import shape
from pipelines.importing.conversion.labels import UNKNOWN
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.additions import DayAddition
from pipelines.importing.landed.claims import SCHEMA, UNRECORDED, Claims
from pipelines.importing.landed.judgement import RUNBOOK
from pipelines.importing.landed.landed_day import LandedDay, read_day, row_keys
from pipelines.landing.landing import Landing
from pipelines.usecases.definition import Feed, UseCase

_SHOWN = 3


@dataclass(frozen=True)
class OtherDays:
    """The events that other sources have brought, by day: claims (see `claims.SCHEMA`)."""

    by_day: Mapping[date, Any]


def other_days(
    landing: Landing, source: Source, use_case: UseCase, days: DayRange, claims: Claims
) -> OtherDays:
    """What other sources have brought for `days` and the days within the use case's lateness about
    them.

    Ingest compares no rows that lie further apart. Rows without claims count as brought by
    `unrecorded`.
    """
    if claims.folder is None:
        return OtherDays({})
    reach = use_case.ingest.lateness_days
    claims_by_day: dict[date, Any] = {}
    for day in days.widened(before=reach, after=reach):
        claimed = claims.read(day)
        other_claims = claimed.filter(pc.not_equal(claimed["source"], source.name))
        if not claimed.num_rows:
            other_claims = _unclaimed(landing, use_case.events, day)
        if other_claims.num_rows:
            claims_by_day[day] = other_claims
    return OtherDays(claims_by_day)


def require_no_contradiction(
    source: Source, use_case: UseCase, day: date, addition: DayAddition, others: OtherDays
) -> None:
    """Raise `ConfigurationError` where an event of the day is there already with another content,
    label or day.
    """
    feed = use_case.events
    different = _different_rows(addition, feed)
    if different:
        raise _contradiction(
            source, day, different, _holders(addition.claims_kept, different), "content"
        )
    relabelled = _different_labels(addition)
    if relabelled:
        raise _contradiction(
            source, day, relabelled, _holders(addition.claims_kept, relabelled), "label"
        )
    reach = timedelta(days=use_case.ingest.lateness_days)
    for other, claimed in others.by_day.items():
        moved = (
            _shared(addition, claimed["key"], feed)
            if other != day and abs(other - day) <= reach
            else []
        )
        if moved:
            raise _contradiction(source, day, moved, _holders(claimed, moved), f"day ({other})")


def _unclaimed(landing: Landing, feed: Feed, day: date) -> Any:
    """The events of a day that came without an import, as claims of a source that is not
    recorded.
    """
    landed = read_day(landing, feed, day)
    if landed is None or not landed.rows:
        return SCHEMA.empty_table()
    keys = pa.concat_arrays([part.cast(pa.string()) for part in row_keys(landed, feed)]).drop_null()
    nothing = {name: pa.nulls(len(keys), SCHEMA.field(name).type) for name in ("label", "due")}
    return pa.table(
        {"key": keys, "source": pa.array([UNRECORDED] * len(keys)), **nothing}, schema=SCHEMA
    )


def _different_rows(addition: DayAddition, feed: Feed) -> list[str]:
    """Keys of new rows that are there with another content."""
    if (
        not addition.kept.rows
        or not addition.new.rows
        or addition.content.rows == addition.kept.rows
    ):
        return []
    before = pa.concat_arrays(
        [part.cast(pa.string()) for part in row_keys(addition.kept, feed)]
    ).drop_null()
    typed = rows_not_in(addition.kept.typed, addition.new.typed)
    texts = rows_not_in(addition.kept.texts, addition.new.texts)
    keys = pa.concat_arrays(
        [part.cast(pa.string()) for part in row_keys(LandedDay(typed, texts), feed)]
    )
    return [
        key for key in keys.filter(pc.is_in(keys, value_set=before)).to_pylist() if key is not None
    ]


def rows_not_in(before: Any, new: Any) -> Any:
    """The rows of the table `new` that are not in `before`, each once; both have the same
    columns.
    """
    names = before.column_names
    flagged = pa.concat_tables(
        [
            before.append_column("_there", pa.array([True] * before.num_rows, pa.bool_())),
            new.append_column("_there", pa.array([False] * new.num_rows, pa.bool_())),
        ]
    )
    seen = flagged.group_by(names).aggregate([("_there", "any")])
    return seen.filter(pc.invert(seen["_there_any"])).select(names).cast(before.schema)


def _different_labels(addition: DayAddition) -> list[str]:
    """Keys that another claim gives another label, or another time of the report."""
    others = addition.claims_kept.select(["key", "label", "due"]).rename_columns(
        ["key", "other", "other_due"]
    )
    both = addition.claims.select(["key", "label", "due"]).join(
        others, keys="key", join_type="inner"
    )
    both_known = pc.and_(pc.not_equal(both["label"], UNKNOWN), pc.not_equal(both["other"], UNKNOWN))
    unequal = pc.not_equal(both["label"], both["other"])
    moved = pc.fill_null(pc.not_equal(both["due"], both["other_due"]), False)
    # A file may hold an event twice with two labels: what it says itself is no contradiction of
    # another source.
    keys = pc.unique(both.filter(pc.and_(both_known, pc.or_(unequal, moved)))["key"])
    agreed = pc.unique(
        both.filter(pc.and_(pc.equal(both["label"], both["other"]), pc.invert(moved)))["key"]
    )
    return [
        key
        for key in keys.filter(pc.invert(pc.is_in(keys, value_set=agreed))).to_pylist()
        if key is not None
    ]


def _shared(addition: DayAddition, keys: Any, feed: Feed) -> list[str]:
    if not len(keys):
        return []
    new_keys = pa.concat_arrays(
        [part.cast(pa.string()) for part in row_keys(addition.new, feed)]
    ).drop_null()
    return list(new_keys.filter(pc.is_in(new_keys, value_set=keys.combine_chunks())).to_pylist())


def _holders(claims: Any, keys: list[str]) -> str:
    matching = claims.filter(pc.is_in(claims["key"], value_set=pa.array(keys, pa.string())))
    return ", ".join(sorted(set(matching["source"].to_pylist()))) or UNRECORDED


def _contradiction(
    source: Source, day: date, keys: list[str], holder: str, what: str
) -> ConfigurationError:
    shown = ", ".join(shape(key) for key in keys[:_SHOWN])
    if holder == source.name:
        way = (
            "if the file was corrected, run the same command with --replace: what this source had"
            " landed for these days and does not hold any more is taken away"
        )
    else:
        way = (
            "if this is a corrected version of that source, run the same command with --source"
            f" '{holder}' --replace; else correct one of the two"
        )
    return ConfigurationError(
        f"{len(keys):,} events are there already with another {what}",
        where=f"{source.name} (now) and {holder} (before)",
        day=str(day),
        expected="each event from one source, or the same in all of them",
        found=f"{source.feed.key[0]} {shown}{', …' if len(keys) > _SHOWN else ''}",
        next_step=f"{way}; nothing was written",
        runbook=RUNBOOK,
    )
