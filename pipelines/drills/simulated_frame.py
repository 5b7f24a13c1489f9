"""A training frame straight from a simulated world, in memory: the features are those of the one
kernel.

The same days through landing zone, ingest and Spark give the same rows; drills and benchmarks that
need hundreds of frames take this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.definition import FeatureSet
from features.kernel import NEVER, Events, compute
from pipelines.base.days import DayRange
from pipelines.simulate.day import DayPlan, SimulatedDay, simulate_day
from pipelines.simulate.transactions import Transactions
from pipelines.simulate.world import World
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pandas as pd

_USUAL = DayPlan()


@dataclass(frozen=True, kw_only=True)
class SimulatedFrame:
    """`frame` is a training frame (see `pipelines.training.frames`) with all entity keys, ordered
    by time.

    `fraud` is what really happened, bool, parallel to the rows: it knows nothing of reports.
    """

    frame: pd.DataFrame
    fraud: NDArray[np.bool_]


Happened = tuple[Transactions, NDArray[np.datetime64]]
"""Transactions in order of time, and when each is reported (NaT: never)."""


def simulated_frame(
    world: World,
    days: DayRange,
    use_case: UseCase,
    features: FeatureSet,
    plans: Mapping[date, DayPlan],
    *,
    change: Callable[[Happened], Happened] | None = None,
) -> SimulatedFrame:
    """The events of `days` with their `features` (float64); each day is simulated by its plan, or
    as a usual one.

    As many days as the features reach back are simulated before the first one, by `plans` too.
    Every report there will ever be is in the frame: who asks says as of when. `change` alters what
    the pipeline gets to see of all these days.
    """
    window = days.widened(before=features.reach_days)
    made = [simulate_day(world, day, plans.get(day, _USUAL)) for day in window]
    events, reported_at = _joined(made) if change is None else change(_joined(made))
    first = int(np.searchsorted(events.event_time, np.datetime64(days.first, "us")))
    rows = np.arange(first, len(events))
    values = compute(features.features, _kernel_events(events, reported_at, features), rows)
    frame = _frame(events[rows], reported_at[rows], use_case, values)
    return SimulatedFrame(frame=frame, fraud=events.scenario[rows] > 0)


def _joined(made: Sequence[SimulatedDay]) -> Happened:
    """All days' transactions in order of time, and when each is reported (NaT: never)."""
    parts = [day.events for day in made]
    columns = [
        np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Transactions)
    ]
    return Transactions(*columns), np.concatenate([day.reported_at for day in made])


def _kernel_events(
    events: Transactions, reported_at: NDArray[np.datetime64], features: FeatureSet
) -> Events:
    schema = features.schema
    reported = np.where(
        np.isnat(reported_at), NEVER, reported_at.astype("datetime64[us]").astype(np.int64)
    )
    return Events(
        id=getattr(events, schema.id),
        time=getattr(events, schema.time).astype(np.int64),
        cents=events.cents,
        reported=reported,
        keys={entity.name: getattr(events, entity.key) for entity in schema.entities},
    )


def _frame(
    events: Transactions,
    reported_at: NDArray[np.datetime64],
    use_case: UseCase,
    values: Mapping[str, NDArray[np.int_]],
) -> pd.DataFrame:
    import pandas as pd

    time = pd.Series(getattr(events, use_case.events.time)).dt.as_unit("us")
    keys = dict.fromkeys(
        [*use_case.events.key, use_case.review.unit, *use_case.stored_features.schema.keys]
    )
    return pd.DataFrame(
        {
            **{name: getattr(events, name) for name in keys},
            use_case.events.time: time.dt.tz_localize("UTC"),
            use_case.label.reported_at: pd.Series(reported_at)
            .dt.as_unit("us")
            .dt.tz_localize("UTC"),
            "day": time.dt.floor("D"),
            **{name: column.astype(np.float64) for name, column in values.items()},
        }
    )
