"""Events on one time line: ranked by (time, id), so that a bound in time becomes a bound in rank.

An event's place in the history of one of its entities is the integer `entity code x (n + 1) +
rank`, for n events. Such keys are unique, sort as (entity, time, id) does and cannot overflow below
three thousand million events, however long the time and however many the entities. One binary
search in the times and one in the keys give a window's end, exactly and at the same cost for a key
with a hundred events as for one with a hundred million.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import FeatureError
from features.instants import MICROSECONDS_PER_DAY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEVER = np.iinfo(np.int64).max
"""`Events.reported` of an event whose label is not positive, or not yet."""


@dataclass(frozen=True, kw_only=True)
class Events:
    """Columns of events in any order, all of one length.

    `id` sortable and unique; `time` and `reported` int64 microseconds since 1970 UTC (`NEVER` where
    not reported); `cents` int64 amounts in hundredths; `keys` the entity key values (int64 or text)
    by the entity's name.
    """

    id: NDArray[Any]
    time: Ints
    cents: Ints
    reported: Ints
    keys: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        lengths = {
            len(self.id),
            len(self.time),
            len(self.cents),
            len(self.reported),
            *map(len, self.keys.values()),
        }
        if len(lengths) > 1:
            raise FeatureError(
                "columns of events differ in length",
                expected="one length",
                found=str(sorted(lengths)),
            )

    def __len__(self) -> int:
        return len(self.time)


def by_time(time: Ints, identity: NDArray[Any]) -> NDArray[np.intp]:
    """Indices by (time, id): all by time alone, and then the few whose times are equal by id; far
    quicker than both.
    """
    order = np.argsort(time)
    equal = np.zeros(len(order) + 1, dtype=np.bool_)
    equal[1:-1] = np.diff(time[order]) == 0
    tied = np.flatnonzero(equal[1:] | equal[:-1])
    among = order[tied]
    order[tied] = among[np.lexsort((identity[among], time[among]))]
    return order


@dataclass(frozen=True)
class Timeline:
    """Events ranked by (time, id) and, among them, those that are asked about (`rows`, indices into
    `events`).

    Every array that speaks of the queries is in the order of `rows`.
    """

    events: Events
    rows: NDArray[np.intp]
    _bounds: dict[int, Ints] = field(default_factory=dict)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Indices of the events by (time, id)."""
        return by_time(self.events.time, self.events.id)

    @cached_property
    def times(self) -> Ints:
        """Times of the events, ascending."""
        return self.events.time[self.order]

    @cached_property
    def ranks(self) -> Ints:
        """Rank of each query."""
        ranks = np.empty(len(self.events), dtype=np.int64)
        ranks[self.order] = np.arange(len(self.events))
        return ranks[self.rows]

    @cached_property
    def at(self) -> Ints:
        """Time of each query."""
        return self.events.time[self.rows]

    def bound(self, days: int) -> Ints:
        """For each query at t, how many events have a time of t - days or before."""
        if days not in self._bounds:
            ends = self.times - days * MICROSECONDS_PER_DAY
            self._bounds[days] = np.searchsorted(self.times, ends, side="right")[self.ranks]
        return self._bounds[days]
