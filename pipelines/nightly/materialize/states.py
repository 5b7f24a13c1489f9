"""States as of a day's end: from the lake's events and reports to state tables, from these to an
online store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from features.definition import FeatureSet
from features.feast_objects import BUILT_AT, view_name
from features.state import IDS, REPORTED, entities_with_state, state_reach_days
from features.state_frame import state_frame
from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import StoreError
from pipelines.lake.lake import Lake
from pipelines.online.store import OnlineStore
from pipelines.problems.labels import with_reports
from pipelines.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def known_events(run: Run, days: DayRange, versions: Mapping[str, int]) -> DataFrame:
    """The events of `days`: the feed's columns and `reported_at`, null where no report is in the
    lake by their end.

    `versions` says which versions of the two tables are read, so that several reads see the same
    lake.
    """
    from pyspark.sql import functions

    use_case = run.use_case
    events, labels = use_case.events.name, use_case.labels.name
    frame = run.lake.read(events, days=days, version=versions.get(events))
    if labels not in versions:
        return frame.withColumn(REPORTED, functions.lit(None).cast("timestamp"))
    reports = run.lake.read(labels, days=days, version=versions[labels])
    return with_reports(frame, reports, use_case).withColumnRenamed(
        use_case.label.reported_at, REPORTED
    )


def write_states(
    run: Run,
    feature_set: FeatureSet,
    last: date,
    *,
    lake: Lake,
    built_at: datetime,
    only: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, int]:
    """Replace the state tables in `lake` by the states as of the end of `last`; returns their
    versions by table.

    `only`: the keys by the entity's name that get a state; all by default.

    Rows: the entity's key, the arrays of `features.state_columns`, `built_at` TIMESTAMP (the same
    in every row). Events and reports come from the run's own lake.
    """
    from pyspark.sql import functions

    as_of = midnight(last + timedelta(days=1))
    inputs = run.lake.versions(feed.name for feed in run.use_case.feeds)
    provenance = run.provenance("materialize", inputs, built_at=built_at.isoformat())
    versions: dict[str, int] = {}
    for entity in entities_with_state(feature_set):
        days = DayRange(as_of.date() - timedelta(days=state_reach_days(feature_set, entity)), last)
        events = known_events(run, days, inputs)
        if only is not None:
            events = events.where(
                functions.col(feature_set.schema.entity(entity).key).isin(list(only[entity]))
            )
        states = state_frame(events, feature_set, entity, as_of)
        rows, table = states.withColumn(BUILT_AT, functions.lit(built_at)), view_name(entity)
        versions[table] = lake.replace_table(
            rows, table, days=DayRange.single(last), provenance=provenance
        )
    return versions


def publish(store: OnlineStore, lake: Lake, built_at: datetime) -> dict[str, int]:
    """Copy the state tables of `lake` into the store and read every key back.

    Returns the number of keys by the entity's name; raises `StoreError` where the store refuses or
    misses some.
    """
    store.apply()
    store.materialise(built_at)
    return {
        entity: _verified(store, lake, entity, built_at)
        for entity in entities_with_state(store.stored)
    }


def _verified(store: OnlineStore, lake: Lake, entity: str, built_at: datetime) -> int:
    from pyspark.sql import functions

    key = store.stored.schema.entity(entity).key
    rows: Any = (
        lake.read(view_name(entity)).select(key, functions.size(IDS).alias("events")).toArrow()
    )
    keys, events = rows[key].to_pylist(), sum(rows["events"].to_pylist())
    present = store.present(entity, keys, built_at)
    if (present.keys, present.events) != (len(keys), events):
        raise StoreError(
            f"the online store does not hold the state of every {entity}",
            where=store.address.where,
            expected=f"{len(keys)} keys with {events} events",
            found=f"{present.keys} keys with {present.events} events",
            next_step="run the stage again: it fills every key; the watermark has not moved",
            runbook="docs/runbooks/online-store.md",
        )
    return present.keys
