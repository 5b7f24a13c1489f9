"""The online path: stored states and requests become features through the very kernel that the batch uses.

`OnlineFeatures` is the computation alone. `LiveFeatures` puts a store of states behind it and moves them as events and
reports come in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from features.definition import FeatureSet
from features.kernel import NEVER, Events, compute
from features.state import EMPTY, REPORTED, EntityState, entities_with_state, entity_features, state_columns

Keys = Mapping[str, Any]
"""The entity keys of one event, by the entity's name."""


class OnlineFeatures:
    """The online compilation of a feature set: a pure function of requests and of the states of their entities."""

    def __init__(self, feature_set: FeatureSet) -> None:
        self.feature_set = feature_set
        self._features = {name: entity_features(feature_set, name) for name in entities_with_state(feature_set)}

    @property
    def entities(self) -> tuple[str, ...]:
        """Names of the entities whose states are needed."""
        return tuple(self._features)

    def compute(self, requests: Events, states: Mapping[str, Sequence[EntityState]]) -> dict[str, NDArray[Any]]:
        """The features of each request, by name in the declared order, int64 or float64 as declared.

        `states` holds for each entity's name one state per request; `EMPTY` stands for an entity that nobody knows. A
        request sees its states and itself, never the other requests. A request whose event is in a state already (it
        is asked again) counts once.
        """
        given: dict[str, NDArray[Any]] = {}
        for entity, features in self._features.items():
            events, rows = _with_requests(requests, states[entity], entity)
            given |= compute(features, events, rows)
        return compute(self.feature_set.features, requests, np.arange(len(requests)), given)


class StateStore(Protocol):
    """Where states live: an online store, or `MemoryStates`."""

    def read(self, keys: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[EntityState]]:
        """The states of those keys, by the entity's name, in the order given; `EMPTY` for what is not there."""
        ...

    def write(self, states: Mapping[str, tuple[Any, EntityState]]) -> None:
        """Put one state for each entity's name: its key and the state itself."""
        ...


@dataclass
class MemoryStates:
    """States in a dictionary for each entity's name."""

    states: dict[str, dict[Any, EntityState]] = field(default_factory=dict)

    def read(self, keys: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[EntityState]]:
        """The states of those keys; `EMPTY` for an unknown one."""
        return {name: [self.states.get(name, {}).get(key, EMPTY) for key in wanted] for name, wanted in keys.items()}

    def write(self, states: Mapping[str, tuple[Any, EntityState]]) -> None:
        """Put one state for each entity's name."""
        for name, (key, state) in states.items():
            self.states.setdefault(name, {})[key] = state


class LiveFeatures:
    """Answers requests from a store of states, and moves the states as events and reports come in, in any order.

    `owners` says whose event an id is: needed to file a report, which names the event only. It grows with the events
    observed. A report that is ahead of its event waits for it.
    """

    def __init__(
        self, feature_set: FeatureSet, store: StateStore, owners: MutableMapping[Any, Keys] | None = None
    ) -> None:
        self.online = OnlineFeatures(feature_set)
        self.store = store
        self._owners = {} if owners is None else owners
        self._ahead: dict[Any, int] = {}
        self._reported = [e for e in self.online.entities if REPORTED in state_columns(feature_set, e)]

    def ask(self, requests: Events) -> dict[str, NDArray[Any]]:
        """The features of the requests, as `OnlineFeatures.compute` gives them; nothing moves."""
        return self.online.compute(requests, self.store.read(self._keys(requests)))

    def observe(self, events: Events) -> None:
        """Move the states by the events, one after the other."""
        for event in one_by_one(events):
            self._move(event, self.store.read(self._keys(event)))

    def serve(self, event: Events) -> dict[str, NDArray[Any]]:
        """The features of one event, and then the states moved by it: one read, one write."""
        states = self.store.read(self._keys(event))
        answer = self.online.compute(event, states)
        self._move(event, states)
        return answer

    def report(self, event_id: Any, reported_at: int) -> None:
        """Move the states by a report (its time in µs); of several reports of an event the earliest counts."""
        if event_id not in self._owners:
            self._ahead[event_id] = min(reported_at, self._ahead.get(event_id, NEVER))
            return
        keys = {entity: self._owners[event_id][entity] for entity in self._reported}
        states = self.store.read({entity: [key] for entity, key in keys.items()})
        self.store.write({e: (key, states[e][0].report(event_id, reported_at)) for e, key in keys.items()})

    def _move(self, event: Events, states: Mapping[str, Sequence[EntityState]]) -> None:
        event_id = event.id[0].item()
        keys = {entity: _plain(event.keys[entity][0]) for entity in self.online.entities}
        self._owners[event_id] = keys
        content = (event_id, int(event.time[0]), int(event.cents[0]))
        self.store.write({entity: (keys[entity], states[entity][0].observe(*content)) for entity in keys})
        if event_id in self._ahead:
            self.report(event_id, self._ahead.pop(event_id))

    def _keys(self, events: Events) -> dict[str, Sequence[Any]]:
        return {entity: events.keys[entity].tolist() for entity in self.online.entities}


def _with_requests(requests: Events, states: Sequence[EntityState], entity: str) -> tuple[Events, NDArray[np.intp]]:
    """One history per request, its state and itself, and where in them the requests are."""
    count = len(requests)
    owner = np.repeat(np.arange(count), [len(state) for state in states])
    ids = np.concatenate([*(state.event_ids for state in states), requests.id])
    kept = np.append(ids[: len(owner)] != requests.id[owner], np.ones(count, dtype=bool))
    events = Events(
        id=ids[kept],
        time=np.concatenate([*(state.event_times for state in states), requests.time])[kept],
        cents=np.concatenate([*(state.amounts for state in states), requests.cents])[kept],
        reported=np.concatenate([*(state.reported_at for state in states), np.full(count, NEVER)])[kept],
        keys={entity: np.append(owner, np.arange(count))[kept]},
    )
    return events, np.arange(len(events) - count, len(events))


def one_by_one(events: Events) -> Iterator[Events]:
    """Each event as a table of one row."""
    for i in range(len(events)):
        one = slice(i, i + 1)
        keys = {name: values[one] for name, values in events.keys.items()}
        yield Events(
            id=events.id[one], time=events.time[one], cents=events.cents[one], reported=events.reported[one], keys=keys
        )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
