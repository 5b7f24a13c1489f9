"""A day of the lake as the stream that it was: events and reports in the order of time, through the
live path.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import EventSchema, FeatureSet
from features.engine_columns import cents, microseconds
from features.instants import day_start
from features.kernel import NEVER, Events
from features.state import REPORTED
from pipelines.base.days import DayRange, midnight
from pipelines.nightly.materialize.states import known_events
from pipelines.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from features.stream import StreamFeatures

Values = dict[str, NDArray[Any]]
_CENTS = "cents"


@dataclass(frozen=True, kw_only=True)
class DayStream:
    """`events` of the day by (time, id), none of them with its report; `reports` (time in µs, event
    id) by time.

    `reports` are those of the day, and earlier ones that are ahead of an event of the day.
    """

    events: Events
    reports: list[tuple[int, int]]


def read_stream(run: Run, day: date, feature_set: FeatureSet) -> DayStream:
    """The day's stream from the tables of events and reports."""
    from pyspark.sql import functions

    schema = feature_set.schema
    versions = run.lake.versions(feed.name for feed in run.use_case.feeds)
    lake_events = known_events(
        run, DayRange(day - timedelta(days=feature_set.reach_days), day), versions
    )
    today = functions.col(schema.time) >= functions.lit(midnight(day))
    news = functions.col(REPORTED).isNotNull() & (
        functions.col(REPORTED) >= functions.lit(midnight(day))
    )
    table: Any = _engine_columns(lake_events.where(today | news), schema).toArrow().to_pydict()
    columns = {name: np.asarray(values) for name, values in table.items()}
    reported = np.array([NEVER if at is None else at for at in table[REPORTED]], dtype=np.int64)
    start = day_start(day)
    events = np.flatnonzero(columns[schema.time] >= start)
    events = events[np.lexsort((columns[schema.id][events], columns[schema.time][events]))]
    marked = np.flatnonzero(reported != NEVER)
    return DayStream(
        events=Events(
            id=columns[schema.id][events],
            time=columns[schema.time][events],
            cents=columns[_CENTS][events],
            reported=np.full(len(events), NEVER),
            keys={entity.name: columns[entity.key][events] for entity in schema.entities},
        ),
        reports=sorted((int(reported[i]), table[schema.id][i]) for i in marked),
    )


def narrowed(
    stream: DayStream, requested: NDArray[np.intp]
) -> tuple[DayStream, NDArray[np.intp], dict[str, list[Any]]]:
    """The part of the stream that can reach the events `requested` (indices): what shares an entity
    with one of them.

    Returns that stream, the places of those events in it, and the entities' keys by the entity's
    name.
    """
    events = stream.events
    keys = {name: np.unique(values[requested]) for name, values in events.keys.items()}
    near = np.zeros(len(events), dtype=np.bool_)
    for name, values in events.keys.items():
        near |= np.isin(values, keys[name])
    kept = np.flatnonzero(near)
    wanted = {name: values.tolist() for name, values in keys.items()}
    part = DayStream(
        events=Events(
            id=events.id[kept],
            time=events.time[kept],
            cents=events.cents[kept],
            reported=events.reported[kept],
            keys={name: values[kept] for name, values in events.keys.items()},
        ),
        reports=stream.reports,
    )
    return part, np.searchsorted(kept, requested), wanted


def replay(stream: DayStream, live: StreamFeatures, requested: NDArray[np.intp]) -> Values:
    """Let the day happen; the features of the events `requested` (ascending indices), each at its
    own instant.

    Every event and report moves the states; a report comes before the events of its instant. What
    lies between two reports goes in one batch.
    """
    events, features = stream.events, live.feature_set.features
    report_times = np.array([at for at, _ in stream.reports], dtype=np.int64)
    ids = np.array([event for _, event in stream.reports], dtype=np.int64)
    cuts = np.unique(np.searchsorted(events.time, report_times, side="left"))
    answers: list[Values] = []
    filed = 0
    for first, past in pairwise(np.unique([0, *cuts.tolist(), len(events)]).tolist()):
        due = int(np.searchsorted(report_times, events.time[first], side="right"))
        live.report(ids[filed:due], report_times[filed:due])
        filed = due
        keys = {name: values[first:past] for name, values in events.keys.items()}
        columns = (events.id, events.time, events.cents, events.reported)
        identity, time, amounts, reported = (column[first:past] for column in columns)
        batch = Events(id=identity, time=time, cents=amounts, reported=reported, keys=keys)
        answers.append(live.serve(batch, features)[0])
    names = answers[0] if answers else ()
    return {name: np.concatenate([answer[name] for answer in answers])[requested] for name in names}


def _engine_columns(events: DataFrame, schema: EventSchema) -> DataFrame:
    """Event id and keys as they are, times as microseconds, the amount as `cents`, all BIGINT but
    for text keys.
    """
    return events.select(
        schema.id,
        *schema.keys,
        microseconds(schema.time).alias(schema.time),
        cents(schema.amount).alias(_CENTS),
        microseconds(REPORTED).alias(REPORTED),
    )
