"""The batch compilation of a feature set: Spark deals events out into tasks, the kernel computes
each in one call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from features.definition import EventSchema, Feature, FeatureSet
from features.engine_columns import cents, microseconds
from features.layout import Days, Layout, count
from features.state import entities_with_state, entity_features
from features.stripe import CENTS, DAY, GIVEN, REPORTED, STRIPE, TIME, Pass, StripeTask
from features.timeline import NEVER

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructField, StructType


def compute_features(
    events: DataFrame,
    feature_set: FeatureSet,
    days: Days,
    *,
    reported_at: str = "reported_at",
    layout: Layout | None = None,
) -> DataFrame:
    """The features of every event of `days` (UTC, both ends included), lazily.

    `events` holds the columns of the feature set's schema (id BIGINT or STRING, time TIMESTAMP,
    amount DECIMAL(p, 2), entity keys BIGINT or STRING; none null, ids unique) and `reported_at`
    (TIMESTAMP, NULL where the label is not positive or not known), and reaches
    `feature_set.reach_days` days back before the first day; what reaches further is cut off. The
    session's time zone is UTC. The result holds event id, time and entity keys as they were, every
    feature (BIGINT or DOUBLE) in the declared order, and `day` (DATE); a partition holds a stretch
    of days, ordered by (time, id).
    """
    layout = layout or Layout()
    schema = feature_set.schema
    rows = _striped(
        _narrowed(events, schema, days, reported_at), days, feature_set.reach_days, layout
    )
    frame = rows.drop(DAY)
    *before, last = _passes(feature_set, layout)
    for work in before:
        task = StripeTask(schema=schema, work=work, days=days, layout=layout, final=False)
        own = _dealt(frame, schema, work, layout).mapInArrow(task, _own_type(frame))
        frame = _history(rows, days, layout).unionByName(own, allowMissingColumns=True)
    task = StripeTask(schema=schema, work=last, days=days, layout=layout, final=True)
    return _dealt(frame, schema, last, layout).mapInArrow(task, _result_type(events, feature_set))


def _narrowed(events: DataFrame, schema: EventSchema, days: Days, reported_at: str) -> DataFrame:
    """Event id, entity keys, time and report in microseconds, cents, and `DAY` as a number of days
    since the first.
    """
    from pyspark.sql import functions

    return events.select(
        schema.id,
        *schema.keys,
        microseconds(schema.time).alias(TIME),
        cents(schema.amount).alias(CENTS),
        functions.coalesce(microseconds(reported_at), functions.lit(NEVER)).alias(REPORTED),
        functions.date_diff(functions.to_date(schema.time), functions.lit(days.first)).alias(DAY),
    )


def _striped(frame: DataFrame, days: Days, reach_days: int, layout: Layout) -> DataFrame:
    """A copy of each row, with its day, for each stripe that holds or reaches back to it, numbered
    in `STRIPE`.
    """
    from pyspark.sql import functions

    day, length = functions.col(DAY), layout.stripe_length(days)
    within = frame.where((day >= -reach_days) & (day < count(days)))
    if layout.stripes == 1:
        return within.withColumn(STRIPE, functions.lit(0))
    first = functions.greatest(functions.lit(0), functions.floor(day / length)).cast("int")
    last = functions.least(
        functions.lit(layout.stripes - 1), functions.floor((day + reach_days) / length)
    ).cast("int")
    return within.withColumn(STRIPE, functions.explode(functions.sequence(first, last)))


def _history(rows: DataFrame, days: Days, layout: Layout) -> DataFrame:
    """The rows that a stripe only looks back at: those of the days before its own."""
    from pyspark.sql import functions

    return rows.where(functions.col(DAY) < functions.col(STRIPE) * layout.stripe_length(days)).drop(
        DAY
    )


def _passes(feature_set: FeatureSet, layout: Layout) -> list[Pass]:
    """One pass where a task holds whole stripes, else one for each kind of entity; the last
    computes all the rest.
    """
    entities = entities_with_state(feature_set)
    if layout.buckets == 1 or not entities:
        return [Pass(entity=None, features=feature_set.features)]
    passes: list[Pass] = []
    given: tuple[Feature, ...] = ()
    for entity in entities:
        own = entity_features(feature_set, entity)
        passes.append(Pass(entity=entity, features=(*given, *own), given=given))
        given += own
    passes[-1] = Pass(entity=entities[-1], features=feature_set.features, given=passes[-1].given)
    return passes


def _dealt(frame: DataFrame, schema: EventSchema, work: Pass, layout: Layout) -> DataFrame:
    """The rows where their task finds them: by stripe and, where there are buckets, by the hash of
    the entity's key.
    """
    from pyspark.sql import functions

    number: Column = functions.col(STRIPE)
    if work.entity is not None:
        key = schema.entity(work.entity).key
        bucket = functions.pmod(functions.xxhash64(key), functions.lit(layout.buckets)).cast("int")
        number = number * layout.buckets + bucket
    return frame.repartitionById(layout.stripes * layout.buckets, number)


def _own_type(frame: DataFrame) -> StructType:
    """The columns of a task's input, and what was computed for its rows, packed."""
    from pyspark.sql.types import BinaryType, StructField

    return _type(
        [
            *(field for field in frame.schema if field.name != GIVEN),
            StructField(GIVEN, BinaryType()),
        ]
    )


def _result_type(events: DataFrame, feature_set: FeatureSet) -> StructType:
    from pyspark.sql.types import DateType, StructField

    schema = feature_set.schema
    key = [events.schema[name] for name in (schema.id, schema.time, *schema.keys)]
    return _type([*key, *_fields(feature_set.features), StructField(DAY, DateType())])


def _fields(features: Iterable[Feature]) -> list[StructField]:
    from pyspark.sql.types import DoubleType, LongType, StructField

    return [
        StructField(feature.name, LongType() if feature.dtype == "int64" else DoubleType())
        for feature in features
    ]


def _type(fields: Iterable[StructField]) -> StructType:
    from pyspark.sql.types import StructType

    return StructType(list(fields))
