"""What monitoring looks at in a day: a fixed-size sample of feature rows with their scores, and a
few counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pipelines.base.days import DayRange
from pipelines.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import Column


@dataclass(frozen=True, kw_only=True)
class DaySample:
    """A day of `rows` events.

    `frame` holds stored features, entity keys, the event's time and `score` of at most `size` of
    them, always the same. `tail` is the share of all rows that the champion would call positive,
    whoever decided; `deciders` are the releases that the rows name, in order.
    """

    frame: pd.DataFrame
    rows: int
    release: str
    fallback: bool
    newest_event: datetime
    score_mean: float
    tail: float | None = None
    deciders: tuple[str, ...] = ()


def day_samples(
    run: Run, days: DayRange, size: int, *, version: int | None = None
) -> dict[date, DaySample]:
    """A sample of each of `days` that has predictions; two Spark jobs, whatever the number of days.

    `version` of `predictions` is read throughout (by default the newest, which may change in
    between).

    Rows are chosen by a hash of the event key, so that a day's sample is the same in every run.
    """
    counts = _counts(run, days, version)
    if not counts:
        return {}
    frame = _sampled(run, days, size, version)
    by_day = dict(tuple(frame.groupby("day")))
    return {
        day: DaySample(
            frame=by_day[day].drop(columns="day").reset_index(drop=True),
            rows=row["rows"],
            release=row["release"],
            fallback=row["fallback"],
            newest_event=row["newest"],
            score_mean=row["mean"],
            tail=row["tail"],
            deciders=tuple(sorted(row["deciders"])),
        )
        for day, row in counts.items()
    }


def _counts(run: Run, days: DayRange, version: int | None) -> dict[date, dict[str, Any]]:
    from pyspark.sql import functions as sf

    time = run.use_case.stored_features.schema.time
    predictions = run.lake.read("predictions", days=days, version=version)
    columns = predictions.columns
    rows = (
        predictions.groupBy("day")
        .agg(
            sf.count("*").alias("rows"),
            sf.max(_championed(columns, "champion", "release")).alias("release"),
            sf.collect_set("release").alias("deciders"),
            sf.max("fallback").alias("fallback"),
            sf.max(time).alias("newest"),
            sf.avg("score").alias("mean"),
            sf.avg(_championed(columns, "champion_decision", "decision").cast("double")).alias(
                "tail"
            ),
        )
        .toArrow()
        .to_pylist()
    )
    return {row["day"]: row for row in rows}


def _sampled(run: Run, days: DayRange, size: int, version: int | None) -> pd.DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    key = list(run.use_case.events.key)
    features = run.lake.read("features", days=days)
    stored = [name for name in run.use_case.stored_features.names if name in features.columns]
    order = Window.partitionBy("day").orderBy(sf.xxhash64(*key), *key)
    predictions = run.lake.read("predictions", days=days, version=version)
    score = _championed(predictions.columns, "champion_score", "score").alias("score")
    scores = predictions.select("day", *key, score)
    chosen = scores.withColumn("place", sf.row_number().over(order)).where(sf.col("place") <= size)
    schema = run.use_case.stored_features.schema
    beside = [name for name in (schema.time, *schema.keys) if name not in (*key, *stored)]
    rows = features.select("day", *key, *beside, *stored).join(sf.broadcast(chosen), ["day", *key])
    return rows.orderBy("day", "place").drop("place", *key).toArrow().to_pandas()


def _championed(columns: Sequence[str], name: str, older: str) -> Column:
    """What the champion said of a row, whoever decided it; rows from before challengers have only
    `older`.
    """
    from pyspark.sql import functions as sf

    return sf.coalesce(sf.col(name), sf.col(older)) if name in columns else sf.col(older)
