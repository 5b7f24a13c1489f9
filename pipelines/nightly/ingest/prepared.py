"""One feed of a run, read and judged: every row with its verdict, the books of its days, nothing
written yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pipelines.base.days import DayRange
from pipelines.nightly.ingest.account import FeedAccount, Tally, accounts, tallied
from pipelines.nightly.ingest.arrival import LandedFeed
from pipelines.nightly.ingest.changes import settled_rows
from pipelines.nightly.ingest.duplicates import ACCEPTED, contested_keys, resolved
from pipelines.nightly.ingest.reading import SOURCE_DAY, read
from pipelines.nightly.ingest.rules import judged
from pipelines.run import Run
from pipelines.usecases.definition import Feed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Prepared:
    """`rows` are as resolved, cached until `release()`; `displaced` are landing days that lost rows
    to this run.

    `settled` and `previous` are the lake's rows of the days that the run may touch: from other
    landing days, and from the run's own as they were ingested before (None where the table does not
    exist).
    """

    feed: Feed
    rows: DataFrame
    accounts: Mapping[date, FeedAccount]
    displaced: frozenset[date]
    settled: DataFrame | None
    previous: DataFrame | None
    cached: tuple[DataFrame, ...]

    def release(self) -> None:
        """Let go of the cached rows."""
        for frame in self.cached:
            frame.unpersist()


def prepared(run: Run, landed: LandedFeed) -> Prepared:
    """Read a feed's landed files, judge each row, and settle which row of each key counts."""
    feed, lateness = landed.feed, run.use_case.ingest.lateness_days
    days = DayRange(min(landed.rows), max(landed.rows))
    lake = settled_rows(run, feed, days.widened(before=2 * lateness, after=lateness), landed.rows)
    near = _landed_within(lake[0], days.widened(before=lateness, after=lateness)) if lake else None
    judged_rows = _judged(run, landed).persist()
    contested = contested_keys(judged_rows, near, feed).persist()
    rows = resolved(
        judged_rows, near, contested if contested.count() else None, feed, lateness_days=lateness
    )
    tallies = tallied(rows, feed)
    return Prepared(
        feed=feed,
        rows=rows,
        accounts=accounts(feed, landed.rows, tallies),
        displaced=_displaced(tallies),
        settled=lake[0] if lake else None,
        previous=lake[1] if lake else None,
        cached=(judged_rows, contested),
    )


def _judged(run: Run, landed: LandedFeed) -> DataFrame:
    """All rows of the feed's files, whatever their formats, each judged by the feed's rules."""
    lateness = run.use_case.ingest.lateness_days
    frames = read(run.spark, landed.feed, landed.paths)
    judged_frames = [judged(frame, landed.feed, lateness_days=lateness) for frame in frames]
    return reduce(lambda left, right: left.unionByName(right), judged_frames)


def _landed_within(rows: DataFrame, days: DayRange) -> DataFrame:
    from pyspark.sql import functions as f

    return rows.where(f.col(SOURCE_DAY).between(f.lit(days.first), f.lit(days.last)))


def _displaced(tallies: list[Tally]) -> frozenset[date]:
    return frozenset(
        tally.source_day for tally in tallies if tally.in_lake and tally.verdict != ACCEPTED
    )
