"""The compiled loops over the states of one kind of entity: finding, asking and moving them, one row after the other.

Compiled by numba on first use and kept on disk. Whole numbers only, so that what is computed from them elsewhere has
the same bits as in a batch; none of these functions holds Python's interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

MICROSECONDS_PER_DAY = 86_400_000_000
NEVER = np.iinfo(np.int64).max
NO_TIME = np.iinfo(np.int64).min
"""In place of an earlier event's time where there is none."""

USED, SLOTS, EVENTS, DROPPED = 0, 1, 2, 3
"""Places in `Arrays.counters`: cells of the event arrays that were ever taken, entities, events, events let go."""

SCANNED_WHOLE = 512
"""Events of a state that are looked at one by one. A longer one is searched for a repeated id among those of the same
instant only, and its windows are made of tiles: what its cells hold together, 256 by 256."""

TILE_BITS = 8

REPEATED, EMPTY, LATE, BOUNDED = 1, 2, 4, 8
"""Marks of a row: its id is there already; nothing was known of its entity; a later event is there; events let go."""

DAYS, DELAY, INCLUDED, SUMS, SQUARES, MAXIMA, POSITIVES = range(7)
"""Columns of a window's specification; the last four say what is wanted of it besides the count."""

COUNT, TOTAL, SQUARE, LARGEST, POSITIVE = range(5)
"""Rows of what is found in a window."""

_MOSTLY = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """The function, compiled on its first call and kept on disk."""
    done: Any = njit(cache=True, nogil=True)(function)
    return cast(_Function, done)


class Arrays(NamedTuple):
    """The states: a hash index from key to slot, a block of cells for each slot, and free blocks of each size.

    A slot's cells `start` to `start + length` hold its events by (time, id). `cents` or `reported` have one cell only
    where they are not kept. Tile k is of the cells 256 k and on, right where they all are of one state that is longer
    than `SCANNED_WHOLE`: cents, their squares and largest, how many were reported, and when the last of those was.
    `free[k]` is the first free block of size class k, its first id the next one.
    """

    index_keys: NDArray[np.int64]
    index_slots: NDArray[np.int32]
    key: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int32]
    size_class: NDArray[np.int8]
    marks: NDArray[np.uint8]
    ids: NDArray[np.int64]
    times: NDArray[np.int64]
    cents: NDArray[np.int64]
    reported: NDArray[np.int64]
    tile_total: NDArray[np.int64]
    tile_square: NDArray[np.int64]
    tile_largest: NDArray[np.int64]
    tile_positive: NDArray[np.int64]
    tile_told: NDArray[np.int64]
    free: NDArray[np.int64]
    counters: NDArray[np.int64]


@_compiled
def class_size(number: int) -> Any:
    """Cells of a block: 4, 6, 8, 12, 16, 24, …"""
    return (2 + (number & 1)) << ((number >> 1) + 1)


@_compiled
def class_of(cells: int) -> Any:
    """The smallest size class that holds so many cells."""
    number = 0
    while class_size(number) < cells:
        number += 1
    return number


@_compiled
def _place(index_keys: Any, index_slots: Any, key: int) -> Any:
    """Where the key is in the index, or the empty place where it would be (splitmix64, linear probing)."""
    mask = np.uint64(len(index_keys) - 1)
    mixed = np.uint64(key) + np.uint64(_MOSTLY)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_MIX_1)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX_2)
    place = (mixed ^ (mixed >> np.uint64(31))) & mask
    while index_slots[place] >= 0 and index_keys[place] != key:
        place = (place + np.uint64(1)) & mask
    return place


@_compiled
def find_slots(arrays: Arrays, keys: Any, slots: Any) -> Any:
    """The slot of each key into `slots`, -1 for one that is not there; returns how many are not."""
    absent = 0
    for i in range(len(keys)):
        slots[i] = arrays.index_slots[_place(arrays.index_keys, arrays.index_slots, keys[i])]
        absent += slots[i] < 0
    return absent


@_compiled
def fill_index(index_keys: Any, index_slots: Any, keys: Any, count: int) -> None:
    """Enter the first `count` keys, all different, under their places."""
    for slot in range(count):
        place = _place(index_keys, index_slots, keys[slot])
        index_keys[place] = keys[slot]
        index_slots[place] = slot


@_compiled
def _new_slot(arrays: Arrays, key: int) -> Any:
    """The key's slot, made if need be; -1 where there is no room for another."""
    place = _place(arrays.index_keys, arrays.index_slots, key)
    if arrays.index_slots[place] >= 0:
        return arrays.index_slots[place]
    slot = arrays.counters[SLOTS]
    if slot >= len(arrays.key) or 2 * (slot + 1) > len(arrays.index_keys):
        return -1
    arrays.counters[SLOTS] = slot + 1
    arrays.index_keys[place] = key
    arrays.index_slots[place] = slot
    arrays.key[slot] = key
    arrays.start[slot] = -1
    arrays.length[slot] = 0
    arrays.size_class[slot] = -1
    arrays.marks[slot] = 0
    return slot


@_compiled
def _block(arrays: Arrays, number: int) -> Any:
    """The first cell of a block of that class, -1 where there is no room."""
    first = arrays.free[number]
    if first >= 0:
        arrays.free[number] = arrays.ids[first]
        return first
    first = arrays.counters[USED]
    if first + class_size(number) > len(arrays.ids):
        return -1
    arrays.counters[USED] = first + class_size(number)
    return first


@_compiled
def _tile(arrays: Arrays, slot: int, first: int, past: int) -> None:
    """Make the tiles of the cells from `first` up to `past` of a slot anew; those of a short state are never asked."""
    if arrays.length[slot] <= SCANNED_WHOLE:
        return
    begin, end = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    for tile in range(first >> TILE_BITS, ((past - 1) >> TILE_BITS) + 1):
        low, high = max(tile << TILE_BITS, begin), min((tile + 1) << TILE_BITS, end)
        if len(arrays.cents) > 1:
            total, squares, largest = _scan(arrays.cents, low, high, -1)
            arrays.tile_total[tile] = total
            arrays.tile_square[tile] = squares
            arrays.tile_largest[tile] = largest
        if len(arrays.reported) > 1:
            positives, told = 0, 0
            for i in range(low, high):
                if arrays.reported[i] != NEVER and arrays.reported[i] >= arrays.times[i]:
                    positives += 1
                    told = max(told, arrays.reported[i])
            arrays.tile_positive[tile] = positives
            arrays.tile_told[tile] = told


@_compiled
def _scan(cents: Any, begin: int, end: int, again: int) -> Any:
    """Cents, their squares and the largest of the cells from `begin` up to `end`, one by one, without `again`."""
    total, squares, largest = 0, 0, 0
    for i in range(begin, end):
        if i != again:
            value = cents[i]
            total += value
            squares += value * value
            largest = max(largest, value)
    return total, squares, largest


@_compiled
def _gather(arrays: Arrays, begin: int, end: int) -> Any:
    """The same for a long stretch of a long state: whole tiles, and what is over at both ends one by one."""
    inner = ((begin - 1) >> TILE_BITS) + 1
    outer = end >> TILE_BITS
    total, squares, largest = _scan(arrays.cents, begin, inner << TILE_BITS, -1)
    for tile in range(inner, outer):
        total += arrays.tile_total[tile]
        squares += arrays.tile_square[tile]
        largest = max(largest, arrays.tile_largest[tile])
    after = _scan(arrays.cents, outer << TILE_BITS, end, -1)
    return total + after[0], squares + after[1], max(largest, after[2])


@_compiled
def _positives(times: Any, reported: Any, begin: int, end: int, time: int, again: int) -> Any:
    """How many of those cells were reported at or before an instant, and lie before it; without `again`."""
    count = 0
    for i in range(begin, end):
        at = reported[i]
        if at <= time and at >= times[i] and times[i] < time and i != again:
            count += 1
    return count


@_compiled
def _gather_positives(arrays: Arrays, begin: int, end: int, time: int) -> Any:
    """The same by tiles; one of which a report is later than the instant is looked through."""
    inner = ((begin - 1) >> TILE_BITS) + 1
    outer = end >> TILE_BITS
    count = _positives(arrays.times, arrays.reported, begin, inner << TILE_BITS, time, -1)
    for tile in range(inner, outer):
        past = (tile + 1) << TILE_BITS
        if arrays.tile_positive[tile] == 0:
            continue
        if arrays.tile_told[tile] <= time and arrays.times[past - 1] < time:
            count += arrays.tile_positive[tile]
        else:
            count += _positives(arrays.times, arrays.reported, tile << TILE_BITS, past, time, -1)
    return count + _positives(arrays.times, arrays.reported, outer << TILE_BITS, end, time, -1)


@_compiled
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
    _tile(arrays, slot, start, start + length - count)


@_compiled
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


@_compiled
def _moved(arrays: Arrays, slot: int, number: int) -> Any:
    """Move a slot's events into a block of that class; False where there is no room."""
    first = _block(arrays, number)
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
    _tile(arrays, slot, first, first + arrays.length[slot])
    return True


@_compiled
def _after(times: Any, start: int, past: int, instant: int) -> Any:
    """The first cell in [start, past) whose time is later than the instant, `past` where there is none."""
    while start < past:
        middle = (start + past) >> 1
        if times[middle] <= instant:
            start = middle + 1
        else:
            past = middle
    return start


@_compiled
def _position(arrays: Arrays, slot: int, time: int, identity: int) -> Any:
    """The cell in front of which an event of that instant and id belongs."""
    start, past = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    place = _after(arrays.times, start, past, time)
    while place > start and arrays.times[place - 1] == time and arrays.ids[place - 1] >= identity:
        place -= 1
    return place


@_compiled
def _repeated(arrays: Arrays, slot: int, time: int, identity: int) -> Any:
    """The cell of the event of that id, -1 where it is not there."""
    start, past = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    if past - start > SCANNED_WHOLE:
        past = _after(arrays.times, start, past, time)
        start = _after(arrays.times, start, past, time - 1)
    for i in range(start, past):
        if arrays.ids[i] == identity:
            return i
    return -1


@_compiled
def _ask(arrays: Arrays, slot: int, row: Any, again: int, windows: Any, found: Any, i: int) -> None:
    """What the windows of a request hold, into `found[:, :, i]`; the cell `again` is the request itself, if any.

    `row` is (id, time, cents).
    """
    identity, time, cents = row
    start, past = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    place = _position(arrays, slot, time, identity)
    for w in range(len(windows)):
        delay = windows[w, DELAY] * MICROSECONDS_PER_DAY
        begin = _after(arrays.times, start, past, time - delay - windows[w, DAYS] * MICROSECONDS_PER_DAY)
        end = _after(arrays.times, start, past, time - delay) if delay > 0 else place
        repeats = begin <= again < end
        by_tiles = end - begin > SCANNED_WHOLE and not repeats
        count, total, squares, largest, positives = end - begin - repeats, 0, 0, 0, 0
        if windows[w, SUMS] + windows[w, SQUARES] + windows[w, MAXIMA] > 0:
            total, squares, largest = (
                _gather(arrays, begin, end) if by_tiles else _scan(arrays.cents, begin, end, again)
            )
        if windows[w, POSITIVES] > 0:
            if by_tiles:
                positives = _gather_positives(arrays, begin, end, time)
            else:
                positives = _positives(arrays.times, arrays.reported, begin, end, time, again)
        if delay == 0 and windows[w, INCLUDED] > 0:
            count += 1
            total += cents
            squares += cents * cents
            largest = max(largest, cents)
        found[w, COUNT, i] = count
        found[w, TOTAL, i] = total
        found[w, SQUARE, i] = squares
        found[w, LARGEST, i] = largest
        found[w, POSITIVE, i] = positives


@_compiled
def _ask_nothing(row: Any, windows: Any, found: Any, i: int) -> None:
    """The same for an entity that nobody knows."""
    cents = row[2]
    for w in range(len(windows)):
        own = 1 if windows[w, DELAY] == 0 and windows[w, INCLUDED] > 0 else 0
        found[w, COUNT, i] = own
        found[w, TOTAL, i] = own * cents
        found[w, SQUARE, i] = own * cents * cents
        found[w, LARGEST, i] = max(0, own * cents)
        found[w, POSITIVE, i] = 0


@_compiled
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
    _tile(arrays, slot, arrays.start[slot] if grown else place, past + 1)


@_compiled
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
        slot = _new_slot(arrays, keys[i])
        if slot < 0 or not _room(arrays, slot, limits[0], limits[1]):
            return i
        again = _repeated(arrays, slot, row[1], row[0])
        mark = marks[i] | (arrays.marks[slot] & BOUNDED)
        if arrays.length[slot] == 0:
            mark |= EMPTY
            _ask_nothing(row, windows, found, i)
        elif len(windows) > 0:
            _ask(arrays, slot, row, again, windows, found, i)
        place = _position(arrays, slot, row[1], row[0])
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


@_compiled
def report(arrays: Arrays, keys: Any, ids: Any, at: Any) -> Any:
    """File reports (µs) of events by their entities' keys: the earliest stays; returns how many events are there."""
    known = 0
    for i in range(len(keys)):
        slot = arrays.index_slots[_place(arrays.index_keys, arrays.index_slots, keys[i])]
        if slot >= 0:
            for j in range(arrays.start[slot], arrays.start[slot] + arrays.length[slot]):
                if arrays.ids[j] == ids[i]:
                    arrays.reported[j] = min(arrays.reported[j], at[i])
                    _tile(arrays, slot, j, j + 1)
                    known += 1
                    break
    return known


@_compiled
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


@_compiled
def load(arrays: Arrays, keys: Any, offsets: Any, ids: Any, times: Any, cents: Any, reported: Any, first: int) -> Any:
    """Put whole states, from `first` on, of keys that are not there yet; `offsets` (n + 1) bound their events.

    The events of a state are in order. Returns the state at which there was no room left, or the number of states.
    """
    for i in range(first, len(keys)):
        count = offsets[i + 1] - offsets[i]
        number = class_of(count + 1)
        slot = _new_slot(arrays, keys[i])
        block = _block(arrays, number) if slot >= 0 else -1
        if block < 0:
            return i
        arrays.start[slot] = block
        arrays.size_class[slot] = number
        arrays.length[slot] = count
        for j in range(count):
            arrays.ids[block + j] = ids[offsets[i] + j]
            arrays.times[block + j] = times[offsets[i] + j]
            if len(arrays.cents) > 1:
                arrays.cents[block + j] = cents[offsets[i] + j]
            if len(arrays.reported) > 1:
                arrays.reported[block + j] = reported[offsets[i] + j]
        arrays.counters[EVENTS] += count
        _tile(arrays, slot, block, block + count)
    return len(keys)
