"""The state that goes online: each entity's events within reach, from which features follow at any
later instant.

A count stored last night is wrong tonight, because its window keeps sliding; the events themselves
are not. A state holds parallel int64 arrays, sorted by (time, id): `event_ids`, `event_times` (µs
since 1970 UTC) and, where a feature of the entity reads them, `amounts` (cents) and `reported_at`
(µs; `NEVER` where no report is known). Moves commute: the same events and reports, in any order and
however often, end in the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from features.definition import EntityFeature, Feature, FeatureSet
from features.instants import MICROSECONDS_PER_DAY
from features.timeline import NEVER, Ints

IDS, TIMES, AMOUNTS, REPORTED = "event_ids", "event_times", "amounts", "reported_at"
_READ_BY = {"amount": AMOUNTS, "reported": REPORTED}


def entity_features(feature_set: FeatureSet, entity: str) -> tuple[EntityFeature, ...]:
    """The features over that entity's history that the set has or is computed from, each name
    once.
    """
    by_name = {
        feature.name: feature
        for feature in _with_inputs(feature_set.features)
        if isinstance(feature, EntityFeature) and feature.entity == entity
    }
    return tuple(by_name.values())


def entities_with_state(feature_set: FeatureSet) -> tuple[str, ...]:
    """Names of the entities over whose history the set has a feature, in the order of the
    schema.
    """
    return tuple(
        e.name for e in feature_set.schema.entities if entity_features(feature_set, e.name)
    )


def state_columns(feature_set: FeatureSet, entity: str) -> tuple[str, ...]:
    """The arrays that the entity's features need, in a fixed order."""
    reads: set[str] = set()
    for feature in entity_features(feature_set, entity):
        reads.update(feature.reads)
    return (IDS, TIMES, *(column for read, column in _READ_BY.items() if read in reads))


def state_reach_days(feature_set: FeatureSet, entity: str) -> int:
    """How many days before an instant an event of the entity can still matter at that instant."""
    return max((feature.reach_days for feature in entity_features(feature_set, entity)), default=0)


@dataclass(frozen=True)
class EntityState:
    """The events of one entity; the arrays are never changed in place.

    Columns that are not kept hold 0 and `NEVER`.
    """

    event_ids: Ints
    event_times: Ints
    amounts: Ints
    reported_at: Ints

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Self:
        """A state from those columns that are kept (any sequences of integers), in any order of the
        events.
        """
        ids, times = _ints(columns[IDS]), _ints(columns[TIMES])
        amounts = (
            _ints(columns[AMOUNTS]) if AMOUNTS in columns else np.zeros(len(ids), dtype=np.int64)
        )
        reported = (
            _ints(columns[REPORTED])
            if REPORTED in columns
            else np.full(len(ids), NEVER, dtype=np.int64)
        )
        state = cls(ids, times, amounts, reported)
        return state if _sorted(ids, times) else state._taken(np.lexsort((ids, times)))

    def __len__(self) -> int:
        return len(self.event_ids)

    def observe(self, event_id: int, time: int, cents: int, reported_at: int = NEVER) -> Self:
        """The state after an event (its time in µs); one that is there already changes nothing."""
        if self._index(event_id) is not None:
            return self
        place = np.searchsorted(self.event_times, time)
        while (
            place < len(self)
            and self.event_times[place] == time
            and self.event_ids[place] < event_id
        ):
            place += 1
        new = (event_id, time, cents, reported_at)
        arrays = zip(self._arrays(), new, strict=True)
        return type(self)(
            *(
                np.concatenate((a[:place], np.array([v], dtype=np.int64), a[place:]))
                for a, v in arrays
            )
        )

    def report(self, event_id: int, reported_at: int) -> Self:
        """The state after a report (time in µs); an event's earliest report stays, an unknown event
        changes nothing.
        """
        index = self._index(event_id)
        if index is None or self.reported_at[index] <= reported_at:
            return self
        reported = self.reported_at.copy()
        reported[index] = reported_at
        return type(self)(self.event_ids, self.event_times, self.amounts, reported)

    def after(self, time: int) -> Self:
        """The state without the events at or before `time` (µs): what a night's rebuild leaves
        out.
        """
        return self._taken(slice(int(np.searchsorted(self.event_times, time, side="right")), None))

    def columns(self, names: Iterable[str]) -> dict[str, Ints]:
        """The arrays of those names."""
        return {name: getattr(self, name) for name in names}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EntityState):
            return NotImplemented
        return all(
            np.array_equal(a, b) for a, b in zip(self._arrays(), other._arrays(), strict=True)
        )

    def _arrays(self) -> tuple[Ints, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def _taken(self, which: slice | NDArray[np.intp]) -> Self:
        return type(self)(*(array[which] for array in self._arrays()))

    def _index(self, event_id: int) -> int | None:
        places = np.flatnonzero(self.event_ids == event_id)
        return int(places[0]) if len(places) else None


def build_states(
    keys: NDArray[Any], columns: Mapping[str, Ints], *, as_of: int, reach_days: int
) -> dict[Any, EntityState]:
    """The states of all entities as of an instant (µs), by key, from columns of events in any
    order.

    Events with as_of - reach < time < as_of count, and reports with reported_at < as_of: what
    `state_frame` does in Spark, for histories that fit into memory.
    """
    times = _ints(columns[TIMES])
    kept = np.flatnonzero((times > as_of - reach_days * MICROSECONDS_PER_DAY) & (times < as_of))
    order = kept[np.lexsort((_ints(columns[IDS])[kept], times[kept], keys[kept]))]
    taken = {name: _ints(column)[order] for name, column in columns.items()}
    if REPORTED in taken:
        taken[REPORTED] = np.where(taken[REPORTED] < as_of, taken[REPORTED], NEVER)
    if not len(order):
        return {}
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]])
    bounds = zip(starts, [*starts[1:], len(order)], strict=True)
    return {
        keys[order[first]].item(): EntityState.of(
            {name: column[first:past] for name, column in taken.items()}
        )
        for first, past in bounds
    }


def _with_inputs(features: Iterable[Feature]) -> Iterator[Feature]:
    for feature in features:
        yield from _with_inputs(feature.inputs)
        yield feature


def _sorted(ids: Ints, times: Ints) -> bool:
    later, same = times[1:] > times[:-1], times[1:] == times[:-1]
    return bool(np.all(later | (same & (ids[1:] > ids[:-1]))))


def _ints(values: Any) -> Ints:
    return np.asarray(values, dtype=np.int64)


EMPTY = EntityState.of({IDS: [], TIMES: []})
"""The state of an entity that nobody knows."""
