"""The states of all entities as a Spark DataFrame: what the nightly run stores and Feast
materialises.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from features.definition import FeatureSet
from features.engine_columns import cents, microseconds
from features.state import AMOUNTS, IDS, REPORTED, TIMES, state_columns, state_reach_days
from features.timeline import NEVER

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def state_frame(
    events: DataFrame, feature_set: FeatureSet, entity: str, as_of: datetime
) -> DataFrame:
    """One row per entity that has an event within reach before `as_of` (an aware instant, as a rule
    a UTC midnight).

    `events` has the columns of the feature set's schema (times TIMESTAMP, the amount a decimal of
    two places) and `reported_at` TIMESTAMP, null where nothing was reported. Events with as_of -
    reach < time < as_of count, and reports with reported_at < as_of. The result has the entity's
    key and the arrays of `state_columns`, ARRAY<BIGINT>, sorted by (time, id).
    """
    from pyspark.sql import functions

    schema = feature_set.schema
    key, names = schema.entity(entity).key, state_columns(feature_set, entity)
    start = as_of - timedelta(days=state_reach_days(feature_set, entity))
    recent = events.where(
        (functions.col(schema.time) > functions.lit(start))
        & (functions.col(schema.time) < functions.lit(as_of))
    )
    values: dict[str, Column] = {
        TIMES: microseconds(schema.time),
        IDS: functions.col(schema.id).cast("bigint"),
        AMOUNTS: cents(schema.amount),
        REPORTED: functions.coalesce(
            functions.when(functions.col(REPORTED) < functions.lit(as_of), microseconds(REPORTED)),
            functions.lit(NEVER).cast("bigint"),
        ),
    }
    ordered = (TIMES, IDS, *(name for name in names if name not in (TIMES, IDS)))
    event = functions.struct(*(values[name].alias(name) for name in ordered))
    gathered = recent.groupBy(key).agg(
        functions.array_sort(functions.collect_list(event)).alias("events")
    )
    return gathered.select(key, *(functions.col(f"events.{name}").alias(name) for name in names))
