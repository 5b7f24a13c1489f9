"""The live path: a stream of events becomes features, each event moving the states that the next
one sees.

The states are in arenas, one for each kind of entity; the values are made of them by the very
functions that a batch uses (`features.values`). What is asked here and what a nightly batch
computes is equal, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.context import Context
from features.definition import FeatureSet
from features.feature import Feature
from features.instants import MICROSECONDS_PER_DAY
from features.online import loops
from features.online.state_store import MOST_EVENTS, Arena
from features.online.statistics import ArenaAnswers
from features.stacked import Plan
from features.state import (
    REPORTED,
    EntityState,
    entities_with_state,
    state_columns,
    state_reach_days,
)
from features.states_table import StatesTable
from features.timeline import NEVER, Events, Ints
from features.values import values

MOST_WAITING = 1_000_000
"""Reports that wait for their events, at most: more of them only the night files."""

BEYOND_FIRST_ROOM = 2_000
"""Entities for which an arena has no room before it has grown."""

NOTHING_SEEN = int(np.iinfo(np.int64).min)
Values = dict[str, NDArray[Any]]


class StreamFeatures:
    """All states of a feature set, asked and moved in batches; for one thread at a time.

    `slack_days`: how long after leaving every window an event is kept, so that a request may come
    so late.
    """

    def __init__(
        self, feature_set: FeatureSet, *, most_events: int = MOST_EVENTS, slack_days: int = 2
    ) -> None:
        self.feature_set = feature_set
        self.arenas = {
            name: Arena(feature_set, name, most_events=most_events)
            for name in entities_with_state(feature_set)
        }
        self.reported = tuple(
            name for name in self.arenas if REPORTED in state_columns(feature_set, name)
        )
        self._reach = {
            name: (state_reach_days(feature_set, name) + slack_days) * MICROSECONDS_PER_DAY
            for name in self.arenas
        }
        self.waiting: dict[int, int] = {}
        """Reports (µs, by event id) that are ahead of their event: it has its report from its first
        instant here.
        """
        self._plan = Plan(())
        self.newest = NOTHING_SEEN
        """The latest instant that was seen (µs)."""

    def serve(
        self, requests: Events, features: Iterable[Feature]
    ) -> tuple[Values, NDArray[np.uint8]]:
        """The features of each request, by name, and its marks (`arena_loops`); each request moves
        the states.

        A request sees the states as the requests before it left them. One whose id is there already
        is answered as if for the first time, and moves nothing.
        """
        marks = np.zeros(len(requests), dtype=np.uint8)
        cells = self._cells(requests)
        answers: dict[str, ArenaAnswers] = {}
        for name, arena in self.arenas.items():
            keys = requests.keys[name].astype(np.int64, copy=False)
            answers[name] = arena.serve(
                keys, cells, marks, oldest=self._oldest(name, requests.time)
            )
        self._advance(requests.time)
        context = Context(requests.time, requests.cents, answers.__getitem__, values)
        return context.work_out(self._planned(tuple(features))), marks

    def move(self, events: Events) -> None:
        """Move the states by events, in any order and however often."""
        cells = self._cells(events)
        for name, arena in self.arenas.items():
            keys = events.keys[name].astype(np.int64, copy=False)
            arena.move(keys, cells, oldest=self._oldest(name, events.time))
        self._advance(events.time)

    def report(self, ids: Ints, reported_at: Ints) -> NDArray[np.bool_]:
        """File reports (µs) of events, of which the earliest counts; returns which of the events
        are there.

        Reports of the others wait for their events, up to `MOST_WAITING`.
        """
        there = np.zeros(len(ids), dtype=np.bool_)
        for name in self.reported:
            keys, located = self.arenas[name].locate(ids)
            self.arenas[name].report(keys[located], ids[located], reported_at[located])
            there |= located
        for event, at in zip(ids[~there].tolist(), reported_at[~there].tolist(), strict=True):
            if event in self.waiting or len(self.waiting) < MOST_WAITING:
                self.waiting[event] = min(at, self.waiting.get(event, at))
        return there

    def load(self, entity: str, table: StatesTable) -> None:
        """Put states of one kind of entity."""
        self.arenas[entity].load(table)

    def make_room(self) -> None:
        """Have room for more than a day's events, so that no request waits while states are moved
        to a larger place.
        """
        for arena in self.arenas.values():
            arena.make_room()

    def state(self, entity: str, key: int) -> EntityState:
        """One state."""
        return self.arenas[entity].state(key)

    def figures(self) -> Mapping[str, float]:
        """How much is held, by name."""
        figures: dict[str, float] = {}
        for name, arena in self.arenas.items():
            figures[f"{name}_entities"] = arena.entities
            figures[f"{name}_events"] = arena.events
            figures[f"{name}_events_dropped"] = arena.dropped
            figures[f"{name}_state_bytes"] = arena.nbytes
        figures["waiting_reports"] = len(self.waiting)
        return figures

    def _planned(self, features: tuple[Feature, ...]) -> Plan:
        """The plan for those features; who asks with one and the same tuple again and again has it
        made once.
        """
        if self._plan.features is not features:
            self._plan = Plan(features)
        return self._plan

    def _cells(self, events: Events) -> NDArray[np.int64]:
        """The events as the arenas take them, with the reports that wait for them."""
        reported = events.reported
        if self.waiting:
            due = [self.waiting.pop(event, NEVER) for event in events.id.tolist()]
            reported = np.minimum(reported, np.array(due, dtype=np.int64))
        return np.stack(
            [events.id.astype(np.int64, copy=False), events.time, events.cents, reported]
        )

    def _oldest(self, entity: str, times: Ints) -> int:
        """The instant up to which no request of this batch, or one that comes a little late, looks
        back.
        """
        if self.newest == NOTHING_SEEN:
            return NOTHING_SEEN
        return min(self.newest, int(times.min(initial=self.newest))) - self._reach[entity]

    def _advance(self, times: Ints) -> None:
        if len(times):
            self.newest = max(self.newest, int(times.max()))


def warm_up(feature_set: FeatureSet, features: Iterable[Feature]) -> tuple[Events, Values]:
    """Call everything once that a batch, a report or states that arrive call, on states of its own.

    The loops are compiled at their first call on a machine (20 s), and read from disk at the first
    in every process: longer than a request may take. Returns what it asked at last, and the
    features that it got.
    """
    stream = StreamFeatures(feature_set)
    many, none, single = (np.arange(count, dtype=np.int64) for count in (BEYOND_FIRST_ROOM, 0, 1))
    for name in stream.arenas:
        for keys in (many, single):
            stream.load(
                name,
                StatesTable(keys, np.zeros(len(keys) + 1, dtype=np.int64), none, none, none, none),
            )
    entities = {entity.name: single for entity in feature_set.schema.entities}
    request = Events(
        id=single,
        time=single + MICROSECONDS_PER_DAY,
        cents=single + 100,
        reported=single + NEVER,
        keys=entities,
    )
    stream.move(request)
    stream.report(request.id, request.time)
    return request, stream.serve(request, features)[0]


def known_nothing(marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Rows of which one entity at least was unknown."""
    return np.asarray(marks & loops.EMPTY != 0)
