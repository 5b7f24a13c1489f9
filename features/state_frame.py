"""The states of all entities as a Spark DataFrame: what the nightly run stores and Feast materialises."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from features.definition import FeatureSet
from features.engine_columns import cents, microseconds
from features.state import AMOUNTS, IDS, REPORTED, TIMES, state_columns, state_reach_days
from features.timeline import NEVER

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def state_frame(events: DataFrame, feature_set: FeatureSet, entity: str, as_of: datetime) -> DataFrame:
    """One row per entity that has an event within reach before `as_of` (an aware instant, as a rule a UTC midnight).

    `events` has the columns of the feature set's schema (times TIMESTAMP, the amount a decimal of two places) and
    `reported_at` TIMESTAMP, null where nothing was reported. Events with as_of - reach < time < as_of count, and
    reports with reported_at < as_of. The result has the entity's key and the arrays of `state_columns`, ARRAY<BIGINT>,
    sorted by (time, id).
    """
    from pyspark.sql import functions as F  # noqa: N812

    schema = feature_set.schema
    key, names = schema.entity(entity).key, state_columns(feature_set, entity)
    start = as_of - timedelta(days=state_reach_days(feature_set, entity))
    recent = events.where((F.col(schema.time) > F.lit(start)) & (F.col(schema.time) < F.lit(as_of)))
    values: dict[str, Column] = {
        TIMES: microseconds(schema.time),
        IDS: F.col(schema.id).cast("bigint"),
        AMOUNTS: cents(schema.amount),
        REPORTED: F.coalesce(
            F.when(F.col(REPORTED) < F.lit(as_of), microseconds(REPORTED)), F.lit(NEVER).cast("bigint")
        ),
    }
    ordered = (TIMES, IDS, *(name for name in names if name not in (TIMES, IDS)))
    event = F.struct(*(values[name].alias(name) for name in ordered))
    gathered = recent.groupBy(key).agg(F.array_sort(F.collect_list(event)).alias("events"))
    return gathered.select(key, *(F.col(f"events.{name}").alias(name) for name in names))
