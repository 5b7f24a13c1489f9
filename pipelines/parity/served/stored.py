"""What the lake says of a day: its events, features and predictions, and the events that last night
did not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from features.engine_columns import cents, microseconds
from features.instants import arrow_microseconds
from features.state import REPORTED
from features.timeline import Ints
from pipelines.base.days import DayRange
from pipelines.run import Run

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_CENTS, _SINCE, _SOURCE = "cents", "since", "source_day"


@dataclass(frozen=True, kw_only=True)
class History:
    """Events of the lake: id, time (µs), cents, keys by the entity's name.

    `since` is the number of the first day (since 1970) whose end the lake knew them at.
    """

    id: Ints
    time: Ints
    cents: Ints
    keys: Mapping[str, NDArray[Any]]
    since: Ints


@dataclass(frozen=True, kw_only=True)
class Reports:
    """Reports of the lake: the event's time (µs) and keys, when it was reported (µs), and `since`
    as in `History`.
    """

    time: Ints
    reported: Ints
    keys: Mapping[str, NDArray[Any]]
    since: Ints


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The day's rows of `features` by event id, ascending, and of `predictions` (empty where there
    are none).
    """

    id: Ints
    time: Ints
    keys: Mapping[str, NDArray[Any]]
    features: pa.Table
    predictions: pa.Table


def read_stored(run: Run, day: date) -> Stored:
    """The day's features, and its predictions where they are made: id, release, score, decision."""
    import pyarrow as pa

    stored = run.use_case.stored_features
    schema, days = stored.schema, DayRange.single(day)
    frame = run.lake.read("features", days=days)
    names = [name for name in stored.names if name in frame.columns]
    rows: Any = frame.select(
        *dict.fromkeys((schema.id, schema.time, *schema.keys, *names))
    ).toArrow()
    rows = rows.sort_by(schema.id).combine_chunks()
    predicted: Any = pa.table({schema.id: pa.array([], pa.int64())})
    if run.lake.exists("predictions"):
        chosen = run.lake.read("predictions", days=days).select(
            schema.id, "release", "score", "decision"
        )
        predicted = chosen.toArrow().sort_by(schema.id).combine_chunks()
    return Stored(
        id=rows[schema.id].to_numpy(),
        time=arrow_microseconds(rows[schema.time]),
        keys={
            entity.name: rows[entity.key].to_numpy(zero_copy_only=False)
            for entity in schema.entities
        },
        features=rows.select(names),
        predictions=predicted,
    )


def read_history(run: Run, day: date, night: int) -> History:
    """Events within reach of `day` that states as of the end of the day numbered `night` do not
    hold.
    """
    schema = run.use_case.stored_features.schema
    frame = _unknown(run, run.use_case.events.name, day, night)
    rows = _columns(
        frame.select(schema.id, *schema.keys, *_engine(run), _SINCE),
        {entity.key: entity.name for entity in schema.entities},
    )
    return History(
        id=rows[schema.id],
        time=rows[schema.time],
        cents=rows[_CENTS],
        keys={entity.name: rows[entity.name] for entity in schema.entities},
        since=rows[_SINCE],
    )


def read_reports(run: Run, day: date, night: int) -> Reports | None:
    """Reports of events within reach of `day` that those states do not hold; None where there is no
    table of them.
    """
    schema, use_case = run.use_case.stored_features.schema, run.use_case
    if not run.lake.exists(use_case.labels.name):
        return None
    reports = _unknown(run, use_case.labels.name, day, night)
    at = microseconds(use_case.label.reported_at).alias(REPORTED)
    reach = DayRange(day, day).widened(before=use_case.stored_features.reach_days)
    events = run.lake.read(use_case.events.name, days=reach)
    events = events.select(schema.id, *schema.keys, microseconds(schema.time).alias(schema.time))
    both = events.join(reports.select(schema.id, at, _SINCE), schema.id)
    rows = _columns(both, {entity.key: entity.name for entity in schema.entities})
    keys = {entity.name: rows[entity.name] for entity in schema.entities}
    return Reports(time=rows[schema.time], reported=rows[REPORTED], keys=keys, since=rows[_SINCE])


def _unknown(run: Run, table: str, day: date, night: int) -> DataFrame:
    """Rows of a feed's table within reach of `day`; their own day, or that which they landed with,
    is after `night`.
    """
    from pyspark.sql import functions

    frame = run.lake.read(
        table, days=DayRange(day - timedelta(days=run.use_case.stored_features.reach_days), day)
    )
    own, landed = (functions.unix_date(name) for name in ("day", _SOURCE))
    return frame.withColumn(_SINCE, functions.greatest(own, landed).cast("bigint")).where(
        functions.col(_SINCE) > functions.lit(night)
    )


def _engine(run: Run) -> list[Any]:
    """Time in µs and amount in cents, as the engine has them."""
    schema = run.use_case.stored_features.schema
    return [
        microseconds(schema.time).alias(schema.time),
        cents(schema.amount).alias(_CENTS),
    ]


def _columns(frame: DataFrame, renamed: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    table: Any = frame.toArrow()
    return {
        renamed.get(name, name): table[name].to_numpy(zero_copy_only=False)
        for name in table.column_names
    }
