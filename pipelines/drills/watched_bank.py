"""The bank of the drills that watch: days from the simulated world straight into the lake, one
champion, three weeks.

What a feed, a feature job and two months of nights would have left is written at once (the features
are those of the one kernel); training, scoring and watching are the real stages. Its review list is
as short for its size as a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import FeedCounts, IngestAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.drills.bank import drill_use_case, first_champion
from pipelines.drills.simulated_frame import simulated_frame
from pipelines.nightly.monitor.stage import monitor
from pipelines.nightly.score.stage import score
from pipelines.run import Run
from pipelines.simulate.day import DayPlan
from pipelines.simulate.world import World, WorldSize, build_world
from pipelines.usecases.definition import Feed, UseCase
from pipelines.usecases.registry import load

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

SIZE = WorldSize(customers=2_000, terminals=4_000, seed=11)
CAPACITY = 40
"""Cards that can be reviewed on a day: 2 % of them, as in the use case itself."""
DAYS = DayRange(date(2026, 9, 7), date(2026, 11, 8))
WATCHED = DayRange(DAYS.first + timedelta(days=42), DAYS.last)
START = DAYS.last + timedelta(days=1)
"""The first day on which something may happen."""


def watched_bank(settings: Settings) -> Run:
    """A run over the bank with its first champion; the weeks since its training are scored and
    watched.

    The watch's policy is the one that the drills show: every answer that there is, whatever the use
    case declares.
    """
    case = drill_use_case(load(settings.use_case))
    watch = replace(
        case.watch, fall_back_on=("harmful",), roll_back_on=("bug",), retrain_waits=True
    )
    case = replace(case, watch=watch, review=replace(case.review, capacity=CAPACITY))
    run = Run(settings, case, run_id="drill", actor="drill")
    if DAYS.last not in run.ledger.latest("features", status="done"):
        write_days(run, DAYS, {})
        first_champion(run, as_of=WATCHED.first)
        nights(run, WATCHED)
    return run


def write_days(run: Run, days: DayRange, happens: Mapping[date, DayPlan]) -> None:
    """Let `days` arrive as they `happen` (usual ones where nothing is said): events, all their
    reports, features.
    """
    import pandas as pd

    since_the_first = DayRange(min(DAYS.first, days.first), days.last)
    features = run.use_case.stored_features
    frame = simulated_frame(_world(), since_the_first, run.use_case, features, happens).frame
    reported = run.use_case.label.reported_at
    first, end = pd.Timestamp(days.first), pd.Timestamp(days.last + timedelta(days=1))
    reports = _by_report(run.use_case, frame[frame[reported].dt.tz_localize(None) >= first])
    new = frame[(frame["day"] >= first) & (frame["day"] < end)]
    _write(run, run.use_case.labels, reports, days)
    _write(run, run.use_case.events, new, days)
    _replace(run, "features", _features(run, new), days)
    _record(run, days, new, reports)


@cache
def _world() -> World:
    return build_world(SIZE)


def nights(run: Run, days: DayRange) -> dict[date, MonitorAccount]:
    """Score and watch the days, in one go each; returns the monitor's accounts."""
    score(run, days)
    monitor(run, days, evidently=False)
    records = run.ledger.latest(MonitorAccount, first=days.first, last=days.last)
    return {day: record.account for day, record in records.items()}


def days_after(number: int, last: int | None = None) -> DayRange:
    """Days by their number from `START` on (0 is the first), both included."""
    return DayRange(
        START + timedelta(days=number), START + timedelta(days=number if last is None else last)
    )


def _features(run: Run, rows: pd.DataFrame) -> DataFrame:
    """The rows as the `features` table has them."""
    features = run.use_case.stored_features
    whole = {feature.name: "int64" for feature in features.features if feature.dtype == "int64"}
    keys = [*run.use_case.events.key, run.use_case.events.time, *features.schema.keys]
    return _frame(run, rows[[*dict.fromkeys(keys), *features.names, "day"]].astype(whole))


def _write(run: Run, feed: Feed, rows: pd.DataFrame, days: DayRange) -> None:
    """Write the feed's columns of the rows, by the declared types; rows of later days come
    along.
    """
    from pyspark.sql import functions as sf

    frame = _frame(run, rows[[*(column.name for column in feed.columns), "day"]])
    typed = frame.select(
        *(sf.col(column.name).cast(column.type) for column in feed.columns),
        "day",
        sf.col("day").alias("source_day"),
    )
    last = max(days.last, rows["day"].max().date()) if len(rows) else days.last
    _replace(run, feed.name, typed, DayRange(days.first, last))


def _frame(run: Run, rows: pd.DataFrame) -> DataFrame:
    import pyarrow as pa

    return run.spark.createDataFrame(
        pa.Table.from_pandas(rows.assign(day=rows["day"].dt.date), preserve_index=False)
    )


def _replace(run: Run, table: str, rows: DataFrame, days: DayRange) -> None:
    run.lake.replace_days(rows, table, days, provenance=run.provenance("drill"))


def _record(run: Run, days: DayRange, events: pd.DataFrame, reports: pd.DataFrame) -> None:
    """What ingest and features would have put into the ledger."""
    case = run.use_case
    events_by_day, reports_by_day = (
        feed_rows.groupby(feed_rows["day"].dt.date).size() for feed_rows in (events, reports)
    )
    counts = {
        day: (int(events_by_day.get(day, 0)), int(reports_by_day.get(day, 0))) for day in days
    }
    accounts = {
        day: IngestAccount(
            state="arrived",
            rows_in=n,
            accepted=n,
            quarantined=0,
            duplicates=0,
            late=0,
            feeds={
                case.events.name: FeedCounts(rows_in=n, accepted=n, quarantined=0),
                case.labels.name: FeedCounts(rows_in=labels, accepted=labels, quarantined=0),
            },
            rules={},
        )
        for day, (n, labels) in counts.items()
    }
    run.ledger.record_stages(accounts, "done", run_id=run.run_id, at=run.clock())
    digest = case.stored_features.digest
    built = {day: FeaturesAccount(rows=n, feature_digest=digest) for day, (n, _) in counts.items()}
    run.ledger.record_stages(built, "done", run_id=run.run_id, at=run.clock())


def _by_report(case: UseCase, reports: pd.DataFrame) -> pd.DataFrame:
    """The rows with the day of their report as their `day`."""
    return reports.assign(day=reports[case.label.reported_at].dt.tz_localize(None).dt.floor("D"))
