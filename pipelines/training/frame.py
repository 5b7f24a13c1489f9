"""A training frame from the lake: feature rows with their first report, over Arrow, only the
columns asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.base.days import DayRange
from pipelines.nightly.freshness import FEATURES
from pipelines.problems.labels import with_reports
from pipelines.run import Run

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame


def read_training_frame(
    run: Run,
    days: DayRange,
    columns: Sequence[str],
    *,
    known_at: datetime,
    versions: Mapping[str, int],
) -> pd.DataFrame:
    """The rows of `days` as a training frame (see `pipelines.training.frames`), ordered by the
    event key.

    Besides the feature `columns` (float64) it holds event key, time, unit, entity keys, day, and
    the time of the first report, NaT where none was made by `known_at` (UTC). `versions` are the
    Delta versions to read, by table.
    """
    use_case = run.use_case
    reports = run.lake.read(use_case.labels.name, version=versions[use_case.labels.name])
    known_reports = reports.where(reports[use_case.label.reported_at] <= known_at)
    rows = _feature_rows(run, days, columns, versions[FEATURES])
    frame = _to_pandas(
        with_reports(
            rows, known_reports.select(*use_case.labels.key, use_case.label.reported_at), use_case
        )
    )
    return frame.sort_values(list(use_case.events.key), kind="stable", ignore_index=True)


def _feature_rows(run: Run, days: DayRange, columns: Sequence[str], version: int) -> DataFrame:
    from pyspark.sql import functions

    use_case = run.use_case
    keys = dict.fromkeys(
        [
            *use_case.events.key,
            use_case.events.time,
            use_case.review.unit,
            *use_case.stored_features.schema.keys,
            "day",
        ]
    )
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
