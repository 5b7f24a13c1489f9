"""Profiles of days from the lake: counts and quantiles by Spark over all rows, features and scores
from the sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from features.definition import EntityFeature, FeatureSet
from pipelines.accounts.ingest import IngestAccount
from pipelines.base.column_types import parse_column_type
from pipelines.base.days import DayRange
from pipelines.nightly.monitor.day_samples import DaySample
from pipelines.nightly.monitor.drift.coherence import coherence
from pipelines.nightly.monitor.drift.comparison import SCORE
from pipelines.nightly.monitor.performance.review_outcome import logit
from pipelines.nightly.monitor.profile import HOURS, DayProfile
from pipelines.nightly.monitor.sketch import GRID, Sketch, sketch
from pipelines.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import Column, DataFrame

BLOCKS = 20
DISTINCT_ERROR = 0.01

Edges = Mapping[str, Sequence[int]]


def profiles(
    run: Run, days: DayRange, samples: Mapping[date, DaySample], edges: Edges
) -> dict[date, DayProfile]:
    """A profile of each of `days`; one with `rows` 0 where nothing is known of a day.

    Two Spark jobs (three where the `edges` of the key blocks are not known yet), whatever the
    number of days and rows.
    """
    table = run.use_case.events.name if run.lake.exists(run.use_case.events.name) else "features"
    events = run.lake.read(table, days=days)
    cuts = {name: tuple(block_edges) for name, block_edges in edges.items()} or _edges(run, events)
    raw = _raw_columns(run, events.columns)
    counted = {row["day"]: row for row in _counted(run, events, cuts, raw)}
    accounts = run.ledger.latest(IngestAccount, first=days.first, last=days.last)
    ingested = {day: record.account for day, record in accounts.items()}
    return {
        day: _profile(run, cuts, raw, counted.get(day), samples.get(day), ingested.get(day))
        for day in days
    }


def _profile(
    run: Run,
    edges: Mapping[str, tuple[int, ...]],
    raw: Sequence[str],
    row: Mapping[str, Any] | None,
    sample: DaySample | None,
    ingested: IngestAccount | None,
) -> DayProfile:
    if row is None:
        return DayProfile(rows=0, edges=edges)
    feeds = ingested.feeds if ingested else {}
    labels, events = feeds.get(run.use_case.labels.name), feeds.get(run.use_case.events.name)
    frame = sample.frame if sample else None
    names = (
        [name for name in frame.columns if name in run.use_case.stored_features.names]
        if frame is not None
        else []
    )
    return DayProfile(
        rows=row["rows"],
        hours=tuple(row[f"hour_{hour}"] for hour in range(HOURS)),
        blocks={
            name: tuple(row[f"{name}_{block}"] for block in range(len(edges[name]) + 1))
            for name in edges
        },
        edges=edges,
        units={name: row[f"{name}_units"] for name in edges},
        inputs={name: _raw_sketch(row, name) for name in raw},
        features={name: sketch(frame[name]) for name in names} if frame is not None else {},
        coherence=_coherence(run, frame) if frame is not None else {},
        score=sketch(logit(frame[SCORE].to_numpy())) if frame is not None else None,
        tail=sample.tail if sample else None,
        reports=labels.accepted if labels else None,
        rejected=events.quarantined / events.rows_in if events and events.rows_in else None,
        release=sample.release if sample else "",
    )


def _coherence(run: Run, frame: pd.DataFrame) -> dict[str, float]:
    """How well the windowed features of each entity agree within its keys, as far as the sample
    holds pairs.
    """
    schema = run.use_case.stored_features.schema
    correlations: dict[str, float] = {}
    for entity in schema.entities:
        names = entity_features(run.use_case.stored_features, entity.name)
        if entity.key in frame and schema.time in frame:
            values = {name: frame[name].to_numpy() for name in names if name in frame}
            correlations |= coherence(
                frame[entity.key].to_numpy(), frame[schema.time].to_numpy(), values
            )
    return correlations


def entity_features(features: FeatureSet, entity: str) -> list[str]:
    """The features that look at the history of that entity."""
    return [
        feature.name
        for feature in features.features
        if isinstance(feature, EntityFeature) and feature.entity == entity
    ]


def _counted(
    run: Run, events: DataFrame, edges: Mapping[str, tuple[int, ...]], raw: Sequence[str]
) -> list[dict[str, Any]]:
    from pyspark.sql import functions as sf

    schema = run.use_case.stored_features.schema
    hour = sf.hour(schema.time)
    wanted: list[Column] = [sf.count("*").alias("rows")]
    wanted += [sf.count_if(hour == number).alias(f"hour_{number}") for number in range(HOURS)]
    for entity in schema.entities:
        column, bounds = sf.col(entity.key), edges[entity.name]
        wanted.append(
            sf.approx_count_distinct(column, DISTINCT_ERROR).alias(f"{entity.name}_units")
        )
        for block in range(len(bounds) + 1):
            inside = sf.lit(True)
            if block > 0:
                inside = inside & (column >= bounds[block - 1])
            if block < len(bounds):
                inside = inside & (column < bounds[block])
            wanted.append(sf.count_if(inside).alias(f"{entity.name}_{block}"))
    for name in raw:
        value = sf.col(name).cast("double")
        wanted += [
            sf.count(value).alias(f"{name}_known"),
            sf.avg(value).alias(f"{name}_mean"),
            sf.stddev_pop(value).alias(f"{name}_std"),
            sf.percentile_approx(value, GRID.tolist(), 10_000).alias(f"{name}_quantiles"),
        ]
    return list(events.groupBy("day").agg(*wanted).toArrow().to_pylist())


def _raw_sketch(row: Mapping[str, Any], name: str) -> Sketch:
    known_rows = row[f"{name}_known"]
    return Sketch(
        rows=row["rows"],
        null=1.0 - known_rows / row["rows"],
        mean=row[f"{name}_mean"] or 0.0,
        std=row[f"{name}_std"] or 0.0,
        quantiles=tuple(row[f"{name}_quantiles"] or (0.0,) * len(GRID)),
    )


def _raw_columns(run: Run, names: Sequence[str]) -> list[str]:
    """The numbers of the events' feed that are neither keys nor times."""
    schema = run.use_case.stored_features.schema
    keys = {*run.use_case.events.key, *(entity.key for entity in schema.entities), schema.time}
    return [
        column.name
        for column in run.use_case.events.columns
        if column.name in names
        and column.name not in keys
        and parse_column_type(column.type).is_number
    ]


def _edges(run: Run, events: DataFrame) -> dict[str, tuple[int, ...]]:
    """Keys that cut each entity's keys into blocks with equally many rows; handed on from day to
    day.
    """
    from pyspark.sql import functions as sf

    entities = run.use_case.stored_features.schema.entities
    cuts = [block / BLOCKS for block in range(1, BLOCKS)]
    wanted = [
        sf.percentile_approx(sf.col(entity.key), cuts, 10_000).alias(entity.name)
        for entity in entities
    ]
    row = events.agg(*wanted).collect()[0]
    return {entity.name: tuple(sorted(set(row[entity.name] or ()))) for entity in entities}
