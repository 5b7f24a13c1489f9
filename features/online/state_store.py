"""The states of all entities of one kind in a few large arrays, asked and moved a batch at a time.

What `features.state.EntityState` is for one entity, an arena is for millions: blocks of cells in
shared arrays, found by a hash index. An event costs 24 bytes (32 where labels are read), rounded up
by half at most; an entity 48 more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.definition import FeatureSet
from features.online import arrays, loops
from features.online.arrays import Arrays
from features.online.statistics import ArenaAnswers, specified
from features.state import AMOUNTS, REPORTED, EntityState, entity_features, state_columns
from features.states_table import StatesTable
from features.timeline import NEVER, Ints

SIZE_CLASSES = 60
ROOM, ROOM_ENTITIES = 1 << 26, 1 << 16
"""Cells and entities beyond those that are there, for which `make_room` has room: 2 GB, once they
are taken.
"""

MOST_EVENTS = 1 << 21
"""Events of one entity at most: 64 MB, a terminal with 50,000 a day.

Asking it takes tens of microseconds.
"""


class Arena:
    """The states of one kind of entity of a feature set; not for several threads at once.

    `most_events`: what a state holds at most; beyond it the oldest go, and every answer of that
    entity says so.
    """

    def __init__(
        self, feature_set: FeatureSet, entity: str, *, most_events: int = MOST_EVENTS
    ) -> None:
        self.entity = entity
        columns = state_columns(feature_set, entity)
        self._keeps = (AMOUNTS in columns, REPORTED in columns)
        self._most_events = most_events
        self._windows, self._specification = specified(entity_features(feature_set, entity))
        self._arrays = _empty(1024, 8192, self._keeps)

    @property
    def entities(self) -> int:
        """How many entities there are."""
        return int(self._arrays.counters[arrays.SLOTS])

    @property
    def events(self) -> int:
        """How many events are kept, of all entities together."""
        return int(self._arrays.counters[arrays.EVENTS])

    @property
    def dropped(self) -> int:
        """How many events were let go: older than any window reaches, or above `most_events`."""
        return int(self._arrays.counters[arrays.DROPPED])

    @property
    def nbytes(self) -> int:
        """Bytes that are taken; room that nobody has touched yet takes none."""
        index = self._arrays.index_keys.nbytes + self._arrays.index_slots.nbytes
        return index + sum(
            int(getattr(self._arrays, name).itemsize) * count
            for name, count in self._taken().items()
        )

    def make_room(self, *, room: int = ROOM) -> None:
        """Have as many cells again as are taken, and `room` more; and a quarter more entities.

        Growing copies everything, 0.1 s for a million events: not while somebody waits. Room costs
        no memory before it is touched; where the system does not promise so much all the same,
        there is half of it, or less.
        """
        counters = self._arrays.counters
        slots, cells = (int(counters[place]) for place in (arrays.SLOTS, arrays.USED))
        while room:
            try:
                self._grow(max(slots >> 2, ROOM_ENTITIES), cells + room)
                return
            except MemoryError:
                room >>= 1

    def holds(self, keys: Ints) -> NDArray[np.bool_]:
        """Which of the keys are there."""
        slots = np.empty(len(keys), dtype=np.int32)
        arrays.find_slots(self._arrays, keys, slots)
        return slots >= 0

    def load(self, table: StatesTable) -> None:
        """Put states; of an entity that is there already both sets of events stay, each event
        once.
        """
        there = self.holds(table.keys)
        if there.any():
            self._merge(table, np.flatnonzero(there))
            table = table.taken(np.flatnonzero(~there))
        columns = (table.keys, table.offsets, table.ids, table.times, table.cents, table.reported)
        done = 0
        while (done := loops.load(self._arrays, *columns, done)) < len(table):
            self._grow(len(table) - done, int(2 * (table.offsets[-1] - table.offsets[done])))

    def serve(
        self, keys: Ints, events: NDArray[np.int64], marks: NDArray[np.uint8], *, oldest: int
    ) -> ArenaAnswers:
        """What each row's windows hold, each row then moving the state that the next one sees.

        `events` int64 (4, n): ids, times (µs), cents, reported (µs or `NEVER`). `marks` uint8 (n)
        takes up `arena_loops` marks; a row with `REPEATED` set is answered but moves nothing.
        Events before `oldest` may go.
        """
        return self._run(keys, events, marks, self._specification, oldest)

    def move(self, keys: Ints, events: NDArray[np.int64], *, oldest: int) -> None:
        """The same without asking."""
        self._run(
            keys, events, np.zeros(len(keys), dtype=np.uint8), self._specification[:0], oldest
        )

    def report(self, keys: Ints, ids: Ints, reported_at: Ints) -> int:
        """File reports by the entities' keys; the earliest of an event stays.

        Returns how many events are there.
        """
        return int(loops.report(self._arrays, keys, ids, reported_at))

    def locate(self, ids: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """The keys of the entities that those events belong to, and which of them were found.

        One pass over everything that is held: 1 ms for 350,000 events.
        """
        wanted, back = np.unique(ids, return_inverse=True)
        keys, located = np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=np.bool_)
        if len(wanted):
            loops.locate(self._arrays, wanted, keys, located)
        return keys[back], located[back]

    def state(self, key: int) -> EntityState:
        """The state of one entity, empty for an unknown one."""
        slots = np.empty(1, dtype=np.int32)
        if arrays.find_slots(self._arrays, np.array([key], dtype=np.int64), slots):
            return EntityState.of({"event_ids": [], "event_times": []})
        first = int(self._arrays.start[slots[0]])
        cells = slice(first, first + int(self._arrays.length[slots[0]]))
        count = cells.stop - cells.start
        return EntityState(
            self._arrays.ids[cells].copy(),
            self._arrays.times[cells].copy(),
            self._arrays.cents[cells].copy() if self._keeps[0] else np.zeros(count, dtype=np.int64),
            self._arrays.reported[cells].copy() if self._keeps[1] else np.full(count, NEVER),
        )

    def _run(
        self,
        keys: Ints,
        events: NDArray[np.int64],
        marks: NDArray[np.uint8],
        windows: NDArray[np.int64],
        oldest: int,
    ) -> ArenaAnswers:
        results = np.empty((len(windows), 5, len(keys)), dtype=np.int64)
        previous = np.empty(len(keys), dtype=np.int64)
        limits = np.array([oldest, self._most_events], dtype=np.int64)
        done = 0
        while True:
            done = loops.serve(
                self._arrays, keys, events, done, limits, windows, results, previous, marks
            )
            if done == len(keys):
                return ArenaAnswers(self._windows, results, previous, events[1])
            self._grow(min(len(keys) - done, 1 << 16), 1 << 17)

    def _taken(self) -> dict[str, int]:
        """How many places of each array are taken; the index apart, which is filled anew."""
        slots, cells = (int(self._arrays.counters[place]) for place in (arrays.SLOTS, arrays.USED))
        tiles = (cells >> arrays.TILE_BITS) + 1
        each = {**dict.fromkeys(arrays.OF_SLOTS, slots), **dict.fromkeys(arrays.OF_CELLS, cells)}
        each |= dict.fromkeys(arrays.OF_TILES, tiles)
        return {name: min(count, len(getattr(self._arrays, name))) for name, count in each.items()}

    def _merge(self, table: StatesTable, which: NDArray[np.intp]) -> None:
        taken = table.taken(which)
        columns = (taken.ids, taken.times, taken.cents, taken.reported)
        blank = np.full(len(taken.ids), NEVER)
        events = np.stack(
            [column if len(column) == len(taken.ids) else blank for column in columns]
        )
        keys = np.repeat(taken.keys, np.diff(taken.offsets))
        self.move(keys, events, oldest=np.iinfo(np.int64).min)
        if self._keeps[1]:
            is_reported = taken.reported != NEVER
            self.report(keys[is_reported], taken.ids[is_reported], taken.reported[is_reported])

    def _grow(self, slots: int, cells: int) -> None:
        """Make room for so many slots and cells more, at least by half of what there is."""
        old = self._arrays
        counters = old.counters
        wanted = max(len(old.key) * 3 // 2, int(counters[arrays.SLOTS]) + slots)
        room = max(len(old.ids) * 3 // 2, int(counters[arrays.USED]) + cells)
        new = _empty(wanted, room, self._keeps)
        for name, count in self._taken().items():
            getattr(new, name)[:count] = getattr(old, name)[:count]
        new.free[:] = old.free
        new.counters[:] = counters
        arrays.fill_index(new.index_keys, new.index_slots, new.key, int(counters[arrays.SLOTS]))
        self._arrays = new


def _empty(slots: int, cells: int, keeps: tuple[bool, bool]) -> Arrays:
    """Arrays for so many slots and cells; pages that nobody touches cost nothing."""
    places = 1 << (2 * slots - 1).bit_length()
    tiles = (cells >> arrays.TILE_BITS) + 1

    def blank(count: int, dtype: Any) -> NDArray[Any]:
        return np.zeros(count, dtype=dtype)

    return Arrays(
        index_keys=blank(places, np.int64),
        index_slots=np.full(places, -1, dtype=np.int32),
        key=blank(slots, np.int64),
        start=blank(slots, np.int64),
        length=blank(slots, np.int32),
        size_class=blank(slots, np.int8),
        marks=blank(slots, np.uint8),
        ids=blank(cells, np.int64),
        times=blank(cells, np.int64),
        cents=blank(cells if keeps[0] else 1, np.int64),
        reported=blank(cells if keeps[1] else 1, np.int64),
        tile_total=blank(tiles, np.int64),
        tile_square=blank(tiles, np.int64),
        tile_largest=blank(tiles, np.int64),
        tile_positive=blank(tiles, np.int64),
        tile_told=blank(tiles, np.int64),
        free=np.full(SIZE_CLASSES, -1, dtype=np.int64),
        counters=blank(4, np.int64),
    )
