"""The compiled loops over the states of one kind of entity: asked and moved, one row after the other.

Whole numbers only, so that what is computed from them elsewhere has the same bits as in a batch; none of these
functions holds Python's interpreter lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from features.compiled import compiled
from features.online.arrays import (
    DROPPED,
    EVENTS,
    SCANNED_WHOLE,
    SLOTS,
    Arrays,
    block,
    class_of,
    class_size,
    new_slot,
    place_of,
)
from features.online.tiles import make_tiles
from features.online.windows import ask, ask_nothing, position, repeated

NO_TIME = np.iinfo(np.int64).min
"""In place of an earlier event's time where there is none."""

REPEATED, EMPTY, LATE, BOUNDED = 1, 2, 4, 8
"""Marks of a row: its id is there already; nothing was known of its entity; a later event is there; events let go."""


@compiled
def _drop(arrays: Arrays, slot: int, count: int) -> None:
    """Let the oldest events of a slot go."""
    start, length = arrays.start[slot], arrays.length[slot]
    for i in range(start, start + length - count):
        arrays.ids[i] = arrays.ids[i + count]
        arrays.times[i] = arrays.times[i + count]
        if len(arrays.cents) > 1:
            arrays.cents[i] = arrays.cents[i + count]
        if len(arrays.reported) > 1:
            arrays.reported[i] = arrays.reported[i + count]
    arrays.length[slot] = length - count
    arrays.counters[EVENTS] -= count
    arrays.counters[DROPPED] += count
    make_tiles(arrays, slot, start, start + length - count)


@compiled
def _room(arrays: Arrays, slot: int, oldest: int, most: int) -> Any:
    """Make room for one event more: let go what lies before `oldest`, else a larger block; False where there is none.

    Of a slot that holds `most` events the oldest eighth goes, and the slot is marked.
    """
    length, number = arrays.length[slot], arrays.size_class[slot]
    if number >= 0 and length < class_size(number) and length < most:
        return True
    start = arrays.start[slot]
    expired = 0
    while expired < length and arrays.times[start + expired] <= oldest:
        expired += 1
    if expired > 0:
        _drop(arrays, slot, expired)
    if length - expired >= most:
        _drop(arrays, slot, max(most >> 3, length - expired - most + 1))
        arrays.marks[slot] |= BOUNDED
    length = arrays.length[slot]
    if number >= 0 and length < class_size(number):
        return True
    return _moved(arrays, slot, number + 1)


@compiled
def _moved(arrays: Arrays, slot: int, number: int) -> Any:
    """Move a slot's events into a block of that class; False where there is no room."""
    first = block(arrays, number)
    if first < 0:
        return False
    start = arrays.start[slot]
    for i in range(arrays.length[slot]):
        arrays.ids[first + i] = arrays.ids[start + i]
        arrays.times[first + i] = arrays.times[start + i]
        if len(arrays.cents) > 1:
            arrays.cents[first + i] = arrays.cents[start + i]
        if len(arrays.reported) > 1:
            arrays.reported[first + i] = arrays.reported[start + i]
    if arrays.size_class[slot] >= 0:
        arrays.ids[start] = arrays.free[arrays.size_class[slot]]
        arrays.free[arrays.size_class[slot]] = start
    arrays.start[slot] = first
    arrays.size_class[slot] = number
    make_tiles(arrays, slot, first, first + arrays.length[slot])
    return True


@compiled
def _insert(arrays: Arrays, slot: int, place: int, row: Any, reported: int) -> None:
    """Put an event in front of a cell; there must be room."""
    past = arrays.start[slot] + arrays.length[slot]
    for i in range(past, place, -1):
        arrays.ids[i] = arrays.ids[i - 1]
        arrays.times[i] = arrays.times[i - 1]
        if len(arrays.cents) > 1:
            arrays.cents[i] = arrays.cents[i - 1]
        if len(arrays.reported) > 1:
            arrays.reported[i] = arrays.reported[i - 1]
    arrays.ids[place] = row[0]
    arrays.times[place] = row[1]
    if len(arrays.cents) > 1:
        arrays.cents[place] = row[2]
    if len(arrays.reported) > 1:
        arrays.reported[place] = reported
    arrays.length[slot] += 1
    arrays.counters[EVENTS] += 1
    grown = arrays.length[slot] == SCANNED_WHOLE + 1
    make_tiles(arrays, slot, arrays.start[slot] if grown else place, past + 1)


@compiled
def serve(
    arrays: Arrays,
    keys: Any,
    events: Any,
    first: int,
    limits: Any,
    windows: Any,
    found: Any,
    previous: Any,
    marks: Any,
) -> Any:
    """Ask and move, row by row from `first`; returns the row at which there was no room left, or the number of rows.

    `events` int64 (4, n): ids, times, cents, reported. `limits`: events before limits[0] may go, a slot holds at most
    limits[1]. A row whose mark has `REPEATED` set already moves nothing. Without `windows` rows only move.
    """
    for i in range(first, len(keys)):
        row = (events[0, i], events[1, i], events[2, i])
        slot = new_slot(arrays, keys[i])
        if slot < 0 or not _room(arrays, slot, limits[0], limits[1]):
            return i
        again = repeated(arrays, slot, row[1], row[0])
        mark = marks[i] | (arrays.marks[slot] & BOUNDED)
        if arrays.length[slot] == 0:
            mark |= EMPTY
            ask_nothing(row, windows, found, i)
        elif len(windows) > 0:
            ask(arrays, slot, row, again, windows, found, i)
        place = position(arrays, slot, row[1], row[0])
        before = place - 1 if place - 1 != again else place - 2
        previous[i] = arrays.times[before] if before >= arrays.start[slot] else NO_TIME
        if place < arrays.start[slot] + arrays.length[slot] and again < 0:
            mark |= LATE
        if again >= 0:
            mark |= REPEATED
        elif mark & REPEATED == 0:
            _insert(arrays, slot, place, row, events[3, i])
        marks[i] = mark
    return len(keys)


@compiled
def report(arrays: Arrays, keys: Any, ids: Any, at: Any) -> Any:
    """File reports (µs) of events by their entities' keys: the earliest stays; returns how many events are there."""
    known = 0
    for i in range(len(keys)):
        slot = arrays.index_slots[place_of(arrays.index_keys, arrays.index_slots, keys[i])]
        if slot >= 0:
            for j in range(arrays.start[slot], arrays.start[slot] + arrays.length[slot]):
                if arrays.ids[j] == ids[i]:
                    arrays.reported[j] = min(arrays.reported[j], at[i])
                    make_tiles(arrays, slot, j, j + 1)
                    known += 1
                    break
    return known


@compiled
def locate(arrays: Arrays, wanted: Any, keys: Any, found: Any) -> Any:
    """The keys of the entities whose events have the ids `wanted` (ascending), in one pass over all states."""
    count = 0
    for slot in range(arrays.counters[SLOTS]):
        for i in range(arrays.start[slot], arrays.start[slot] + arrays.length[slot]):
            identity = arrays.ids[i]
            if wanted[0] <= identity <= wanted[-1]:
                place = np.searchsorted(wanted, identity)
                if wanted[place] == identity:
                    keys[place] = arrays.key[slot]
                    count += not found[place]
                    found[place] = True
                    if count == len(wanted):
                        return count
    return count


@compiled
def load(arrays: Arrays, keys: Any, offsets: Any, ids: Any, times: Any, cents: Any, reported: Any, first: int) -> Any:
    """Put whole states, from `first` on, of keys that are not there yet; `offsets` (n + 1) bound their events.

    The events of a state are in order. Returns the state at which there was no room left, or the number of states.
    """
    for i in range(first, len(keys)):
        count = offsets[i + 1] - offsets[i]
        number = class_of(count + 1)
        slot = new_slot(arrays, keys[i])
        begin = block(arrays, number) if slot >= 0 else -1
        if begin < 0:
            return i
        arrays.start[slot] = begin
        arrays.size_class[slot] = number
        arrays.length[slot] = count
        for j in range(count):
            arrays.ids[begin + j] = ids[offsets[i] + j]
            arrays.times[begin + j] = times[offsets[i] + j]
            if len(arrays.cents) > 1:
                arrays.cents[begin + j] = cents[offsets[i] + j]
            if len(arrays.reported) > 1:
                arrays.reported[begin + j] = reported[offsets[i] + j]
        arrays.counters[EVENTS] += count
        make_tiles(arrays, slot, begin, begin + count)
    return len(keys)
