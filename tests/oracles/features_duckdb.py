"""Features in DuckDB: every event is joined with the events of the same entity within reach, and
the pairs are counted.

One range join per kind of entity, one filtered aggregate per feature, generated from the
declarations alone. Tables: `events` (id BIGINT, t TIMESTAMP UTC, cents BIGINT, reported TIMESTAMP
or NULL, one BIGINT column per entity's name) and `queries` (id BIGINT), the events that are asked
about.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import duckdb
import pandas as pd

from features.definition import (
    Calendar,
    Difference,
    EntityFeature,
    Feature,
    LabelCount,
    LabelRate,
    Ratio,
    RequestAmount,
    SecondsSinceLast,
    WindowCount,
    WindowDeviation,
    WindowFeature,
    WindowMax,
    WindowMean,
)


def features(connection: duckdb.DuckDBPyConnection, wanted: Iterable[Feature]) -> pd.DataFrame:
    """One row per query, ordered by id: `id` and a column per feature (int64 or float64)."""
    wanted = tuple(wanted)
    leaves = {leaf.name: leaf for leaf in _leaves_of(wanted)}
    over_entities = [leaf for leaf in leaves.values() if isinstance(leaf, EntityFeature)]
    connection.sql(
        "CREATE OR REPLACE TEMP TABLE asked AS SELECT e.* FROM events e SEMI JOIN queries q ON e.id"
        " = q.id"
    )
    for entity in {leaf.entity for leaf in over_entities}:
        _join(connection, entity, [leaf for leaf in over_entities if leaf.entity == entity])
    joins = "".join(
        f" JOIN of_{entity} USING (id)"
        for entity in sorted({leaf.entity for leaf in over_entities})
    )
    columns = ", ".join(f"{_plain(feature)} AS {feature.name}" for feature in wanted)
    return connection.sql(f"SELECT id, {columns} FROM asked{joins} ORDER BY id").df()


def _leaves(feature: Feature) -> Iterable[Feature]:
    return _leaves_of(feature.inputs) if feature.inputs else [feature]


def _leaves_of(features: Iterable[Feature]) -> Iterable[Feature]:
    return chain.from_iterable(_leaves(feature) for feature in features)


def _join(connection: duckdb.DuckDBPyConnection, entity: str, leaves: list[EntityFeature]) -> None:
    reach = max(leaf.reach_days for leaf in leaves)
    aggregates = ", ".join(f"{_aggregate(leaf)} AS {leaf.name}" for leaf in leaves)
    connection.sql(f"""CREATE OR REPLACE TEMP TABLE of_{entity} AS
        SELECT q.id, {aggregates}
        FROM asked q JOIN events e
          ON e.{entity} = q.{entity} AND e.t <= q.t AND e.t > q.t - INTERVAL {reach} DAY
        GROUP BY q.id, q.t""")


def _aggregate(leaf: EntityFeature) -> str:
    earlier = "(e.t < q.t OR (e.t = q.t AND e.id < q.id))"
    if isinstance(leaf, SecondsSinceLast):
        last = f"max(e.t) FILTER ({earlier} AND e.t > q.t - INTERVAL {leaf.days} DAY)"
        return f"coalesce((epoch_us(q.t) - epoch_us({last})) / 1000000.0::DOUBLE, {leaf.default!r})"
    assert isinstance(leaf, WindowFeature)
    inside = (
        f"e.t <= q.t - INTERVAL {leaf.delay_days} DAY AND e.t > q.t - INTERVAL"
        f" {leaf.delay_days + leaf.days} DAY"
    )
    if not leaf.delay_days:
        inside += f" AND ({earlier}{' OR e.id = q.id' if leaf.include_current else ''})"
    count = f"count(*) FILTER ({inside})"
    known_labels = (
        f"count(*) FILTER ({inside} AND e.reported >= e.t AND e.reported <= q.t AND e.t < q.t)"
    )
    total = f"sum(e.cents) FILTER ({inside})"
    default = repr(float(leaf.default))
    match leaf:
        case WindowCount():
            return count
        case LabelCount():
            return known_labels
        case WindowMean():
            return f"coalesce({total}::DOUBLE / {count}::DOUBLE / 100, {default})"
        case WindowMax():
            return f"coalesce(max(e.cents) FILTER ({inside})::DOUBLE / 100, {default})"
        case WindowDeviation():
            squares = f"sum(e.cents::HUGEINT * e.cents) FILTER ({inside})"
            spread = f"sqrt(({count} * {squares} - {total} * {total})::DOUBLE) / {count} / 100"
            return f"CASE WHEN {count} > 1 THEN {spread} ELSE {default} END"
        case LabelRate(prior_weight=weight, prior_rate=rate):
            share = (
                f"({known_labels}::DOUBLE + {weight * rate!r}::DOUBLE) / ({count}::DOUBLE +"
                f" {weight!r}::DOUBLE)"
            )
            return f"CASE WHEN {count} + {weight!r} > 0 THEN {share} ELSE {default} END"
    raise TypeError(f"no oracle for {leaf.kind}")


def _plain(feature: Feature) -> str:
    match feature:
        case RequestAmount():
            return "cents::DOUBLE / 100"
        case Calendar(period="weekend"):
            return "(isodow(t) >= 6)::BIGINT"
        case Calendar(period="night"):
            return "(hour(t) <= 6)::BIGINT"
        case Ratio(numerator=over, denominator=under):
            quotient = f"({_plain(over)})::DOUBLE / ({_plain(under)})::DOUBLE"
            return (
                f"CASE WHEN {_plain(under)} <> 0 THEN {quotient} ELSE"
                f" {float(feature.default)!r} END"
            )
        case Difference(left=left, right=right):
            return f"({_plain(left)})::DOUBLE - ({_plain(right)})::DOUBLE"
    return feature.name
