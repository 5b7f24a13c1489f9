"""The compiled loops over the states of one kind of entity: asked and moved, one row after the
other.

Whole numbers only, so that what is computed from them elsewhere has the same bits as in a batch;
none of these functions holds Python's interpreter lock.
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
"""Marks of a row: its id is there already; nothing was known of its entity; a later event is there;
events let go.
"""


@compiled
def _drop(arrays: Arrays, slot: int, count: int) -> None:
    """Let the oldest events of a slot go."""
    start, length = arrays.start[slot], arrays.length[slot]
    for cell in range(start, start + length - count):
        arrays.ids[cell] = arrays.ids[cell + count]
        arrays.times[cell] = arrays.times[cell + count]
        if len(arrays.cents) > 1:
            arrays.cents[cell] = arrays.cents[cell + count]
        if len(arrays.reported) > 1:
            arrays.reported[cell] = arrays.reported[cell + count]
    arrays.length[slot] = length - count
    arrays.counters[EVENTS] -= count
    arrays.counters[DROPPED] += count
    make_tiles(arrays, slot, start, start + length - count)


@compiled
def _room(arrays: Arrays, slot: int, oldest: int, most: int) -> Any:
    """Make room for one event more: let go what lies before `oldest`, else a larger block; False
    where there is none.

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
    for offset in range(arrays.length[slot]):
        arrays.ids[first + offset] = arrays.ids[start + offset]
        arrays.times[first + offset] = arrays.times[start + offset]
        if len(arrays.cents) > 1:
            arrays.cents[first + offset] = arrays.cents[start + offset]
        if len(arrays.reported) > 1:
            arrays.reported[first + offset] = arrays.reported[start + offset]
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
    for cell in range(past, place, -1):
        arrays.ids[cell] = arrays.ids[cell - 1]
        arrays.times[cell] = arrays.times[cell - 1]
        if len(arrays.cents) > 1:
            arrays.cents[cell] = arrays.cents[cell - 1]
        if len(arrays.reported) > 1:
            arrays.reported[cell] = arrays.reported[cell - 1]
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
    results: Any,
    previous: Any,
    marks: Any,
) -> Any:
    """Ask and move, row by row from `first`; returns the row at which there was no room left, or
    the number of rows.

    `events` int64 (4, n): ids, times, cents, reported. `limits`: events before limits[0] may go, a
    slot holds at most limits[1]. A row whose mark has `REPEATED` set already moves nothing. Without
    `windows` rows only move.
    """
    for number in range(first, len(keys)):
        row = (events[0, number], events[1, number], events[2, number])
        slot = new_slot(arrays, keys[number])
        if slot < 0 or not _room(arrays, slot, limits[0], limits[1]):
            return number
        again = repeated(arrays, slot, row[1], row[0])
        mark = marks[number] | (arrays.marks[slot] & BOUNDED)
        if arrays.length[slot] == 0:
            mark |= EMPTY
            ask_nothing(row, windows, results, number)
        elif len(windows) > 0:
            ask(arrays, slot, row, again, windows, results, number)
        place = position(arrays, slot, row[1], row[0])
        before = place - 1 if place - 1 != again else place - 2
        previous[number] = arrays.times[before] if before >= arrays.start[slot] else NO_TIME
        if place < arrays.start[slot] + arrays.length[slot] and again < 0:
            mark |= LATE
        if again >= 0:
            mark |= REPEATED
        elif mark & REPEATED == 0:
            _insert(arrays, slot, place, row, events[3, number])
        marks[number] = mark
    return len(keys)


@compiled
def report(arrays: Arrays, keys: Any, ids: Any, at: Any) -> Any:
    """File reports (µs) of events by their entities' keys: the earliest stays; returns how many
    events are there.
    """
    filed = 0
    for number in range(len(keys)):
        slot = arrays.index_slots[place_of(arrays.index_keys, arrays.index_slots, keys[number])]
        if slot >= 0:
            for cell in range(arrays.start[slot], arrays.start[slot] + arrays.length[slot]):
                if arrays.ids[cell] == ids[number]:
                    arrays.reported[cell] = min(arrays.reported[cell], at[number])
                    make_tiles(arrays, slot, cell, cell + 1)
                    filed += 1
                    break
    return filed


@compiled
def locate(arrays: Arrays, wanted: Any, keys: Any, located: Any) -> Any:
    """The keys of the entities whose events have the ids `wanted` (ascending), in one pass over all
    states.
    """
    count = 0
    for slot in range(arrays.counters[SLOTS]):
        for cell in range(arrays.start[slot], arrays.start[slot] + arrays.length[slot]):
            identity = arrays.ids[cell]
            if wanted[0] <= identity <= wanted[-1]:
                place = np.searchsorted(wanted, identity)
                if wanted[place] == identity:
                    keys[place] = arrays.key[slot]
                    count += not located[place]
                    located[place] = True
                    if count == len(wanted):
                        return count
    return count


@compiled
def load(
    arrays: Arrays,
    keys: Any,
    offsets: Any,
    ids: Any,
    times: Any,
    cents: Any,
    reported: Any,
    first: int,
) -> Any:
    """Put whole states, from `first` on, of keys that are not there yet; `offsets` (n + 1) bound
    their events.

    The events of a state are in order. Returns the state at which there was no room left, or the
    number of states.
    """
    for number in range(first, len(keys)):
        count = offsets[number + 1] - offsets[number]
        size = class_of(count + 1)
        slot = new_slot(arrays, keys[number])
        begin = block(arrays, size) if slot >= 0 else -1
        if begin < 0:
            return number
        arrays.start[slot] = begin
        arrays.size_class[slot] = size
        arrays.length[slot] = count
        for cell in range(count):
            arrays.ids[begin + cell] = ids[offsets[number] + cell]
            arrays.times[begin + cell] = times[offsets[number] + cell]
            if len(arrays.cents) > 1:
                arrays.cents[begin + cell] = cents[offsets[number] + cell]
            if len(arrays.reported) > 1:
                arrays.reported[begin + cell] = reported[offsets[number] + cell]
        arrays.counters[EVENTS] += count
        make_tiles(arrays, slot, begin, begin + count)
    return len(keys)
