"""Quarantine: rows that broke a rule, kept with the rule, the reason and themselves, card numbers
masked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines.base.card_numbers import mask_card_numbers_in_json
from pipelines.base.days import DayRange
from pipelines.nightly.ingest.duplicates import IN_LAKE, QUARANTINED, VERDICT
from pipelines.nightly.ingest.reading import FILE, SOURCE_DAY
from pipelines.nightly.ingest.rules import RAW, REASON, RULE
from pipelines.run import Run
from pipelines.usecases.definition import Feed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TABLE = "quarantine"
_DDL = "day date, feed string, rule string, reason string, file string, raw string"


@dataclass(frozen=True, order=True)
class QuarantinedRow:
    """A row of the `quarantine` table: `day` is its landing day, `raw` the row as JSON text."""

    day: date
    feed: str
    rule: str
    reason: str
    file: str
    raw: str


def quarantined_rows(
    rows: DataFrame, feed: Feed, *, limit: int | None = None
) -> list[QuarantinedRow]:
    """The quarantined ones of `rows` (as resolved), in order.

    The budget bounds them, or else `limit`.
    """
    from pyspark.sql import functions as f

    quarantined = rows.where((f.col(VERDICT) == QUARANTINED) & ~f.col(IN_LAKE))
    quarantined = quarantined.select(SOURCE_DAY, RULE, REASON, FILE, RAW)
    return sorted(
        QuarantinedRow(
            day,
            feed.name,
            rule,
            mask_card_numbers_in_json(reason),
            file,
            mask_card_numbers_in_json(raw),
        )
        for day, rule, reason, file, raw in (
            quarantined if limit is None else quarantined.limit(limit)
        ).collect()
    )


def commit_quarantine(run: Run, rows: Iterable[QuarantinedRow], days: set[date]) -> int:
    """Replace the quarantine of these landing days, unless it already is the same; returns the
    table's version.
    """
    rows = sorted(rows)
    before = run.lake.version(TABLE)
    if before is not None and _kept(run, days) == rows:
        return before
    frame = run.spark.createDataFrame([astuple(row) for row in rows], _DDL).coalesce(1)
    return run.lake.replace_listed_days(frame, TABLE, days, provenance=run.provenance("ingest"))


def _kept(run: Run, days: set[date]) -> list[QuarantinedRow]:
    from pyspark.sql import functions as f

    kept = run.lake.read(TABLE, days=DayRange(min(days), max(days))).where(
        f.col("day").isin(sorted(days))
    )
    return sorted(
        QuarantinedRow(*row) for row in kept.select(*QuarantinedRow.__dataclass_fields__).collect()
    )
