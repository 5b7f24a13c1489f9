"""Training data from the lake: feature rows with the reports known at a moment, at pinned table versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.platform.days import DayRange, midnight
from pipelines.platform.errors import PermanentError
from pipelines.run import Run
from pipelines.stages.labels import with_reports

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame

FEATURES = "features"


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """`frame` is a training frame (see `pipelines.release.frames`), ordered by the event key.

    `versions` are the Delta versions that were read, by table; `rows` the number of feature rows of each day.
    """

    frame: pd.DataFrame
    versions: Mapping[str, int]
    rows: Mapping[date, int]


def current_versions(run: Run) -> dict[str, int]:
    """Newest versions of the tables that a model learns from; raises `PermanentError` where one is not there."""
    tables = [FEATURES, *(feed.name for feed in run.use_case.feeds)]
    versions = run.lake.versions(tables)
    missing = [table for table in tables if table not in versions]
    if missing:
        raise PermanentError(
            "there is nothing to train on yet",
            where=run.lake.root,
            expected=f"tables {', '.join(tables)}",
            found=f"missing: {', '.join(missing)}",
            next_step="load days first: tollgate run ingest --from D --to D, then tollgate run features",
        )
    return versions


def read_training_data(
    run: Run, days: DayRange, columns: Sequence[str], *, as_of: date, versions: Mapping[str, int]
) -> TrainingData:
    """Rows of `days` with feature `columns` (float64) and the first report made at or before `as_of` 00:00 UTC.

    Raises `PermanentError` where the lake has not been loaded up to the day before `as_of` (reports would be missing
    and frauds look legitimate) or where a day has other numbers of events and of feature rows.
    """
    _require_loaded_until(run, as_of - timedelta(days=1), versions)
    rows = _require_complete(run, days, versions)
    use_case = run.use_case
    reports = run.lake.read(use_case.labels.name, version=versions[use_case.labels.name])
    known = reports.where(reports[use_case.label.reported_at] <= midnight(as_of))
    events = _feature_rows(run, days, columns, versions[FEATURES])
    frame = _to_pandas(with_reports(events, known.select(*use_case.labels.key, use_case.label.reported_at), use_case))
    ordered = frame.sort_values(list(use_case.events.key), kind="stable", ignore_index=True)
    return TrainingData(frame=ordered, versions=dict(versions), rows=rows)


def _feature_rows(run: Run, days: DayRange, columns: Sequence[str], version: int) -> DataFrame:
    from pyspark.sql import functions

    use_case = run.use_case
    keys = dict.fromkeys([*use_case.events.key, use_case.events.time, use_case.review.unit, "day"])
    values = [functions.col(name).cast("double").alias(name) for name in dict.fromkeys(columns)]
    return run.lake.read(FEATURES, days=days, version=version).select(*keys, *values)


def _to_pandas(frame: DataFrame) -> pd.DataFrame:
    """Over Arrow: times as `datetime64[us, UTC]`, the day as `datetime64[us]`."""
    table: pa.Table = frame.toArrow()
    pandas = table.to_pandas(date_as_object=False)
    for name, kind in frame.dtypes:
        if kind == "timestamp":
            pandas[name] = pandas[name].astype("datetime64[us, UTC]")
        elif kind == "date":
            pandas[name] = pandas[name].astype("datetime64[us]")
    return pandas


def _require_loaded_until(run: Run, day: date, versions: Mapping[str, int]) -> None:
    from pyspark.sql import functions

    newest = max(
        run.lake.read(feed.name, version=versions[feed.name]).agg(functions.max("source_day")).first()[0] or date.min
        for feed in run.use_case.feeds
    )
    if newest < day:
        missing = DayRange(newest + timedelta(days=1), day) if newest > date.min else DayRange.single(day)
        raise PermanentError(
            "the lake does not reach the day of training, so recent reports are missing",
            where=run.lake.root,
            day=str(day),
            expected=f"days ingested up to {day}",
            found=f"ingested up to {newest}" if newest > date.min else "no rows",
            next_step=f"tollgate run ingest --from {missing.first} --to {missing.last}",
        )


def _require_complete(run: Run, days: DayRange, versions: Mapping[str, int]) -> dict[date, int]:
    """Feature rows by day, after comparing them with the events of these days."""
    counted = _rows_by_day(run, FEATURES, days, versions)
    events = _rows_by_day(run, run.use_case.events.name, days, versions)
    wrong = [day for day in days if counted.get(day, 0) != events.get(day, 0)]
    if wrong:
        first = wrong[0]
        raise PermanentError(
            "features are not complete, so a model would learn from a part",
            where=run.lake.path(FEATURES),
            day=", ".join(map(str, wrong)),
            expected=f"{events.get(first, 0)} rows on {first}, one for each event",
            found=f"{counted.get(first, 0)} rows",
            next_step=f"tollgate run features --from {first} --to {wrong[-1]}",
        )
    return counted


def _rows_by_day(run: Run, table: str, days: DayRange, versions: Mapping[str, int]) -> dict[date, int]:
    rows = run.lake.read(table, days=days, version=versions[table]).groupBy("day").count().collect()
    return {row["day"]: int(row["count"]) for row in rows}
