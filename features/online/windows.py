"""What the windows of a request hold, found in the state of its entity."""

from __future__ import annotations

from typing import Any

from features.compiled import compiled
from features.instants import MICROSECONDS_PER_DAY
from features.online.arrays import SCANNED_WHOLE, Arrays
from features.online.tiles import gather, gather_positives, positives_of, scan

DAYS, DELAY, INCLUDED, SUMS, SQUARES, MAXIMA, POSITIVES = range(7)
"""Columns of a window's specification; the last four say what is wanted of it besides the count."""

COUNT, TOTAL, SQUARE, LARGEST, POSITIVE = range(5)
"""Rows of what is found in a window."""


@compiled
def after(times: Any, start: int, past: int, instant: int) -> Any:
    """The first cell in [start, past) whose time is later than the instant, `past` where there is
    none.
    """
    while start < past:
        middle = (start + past) >> 1
        if times[middle] <= instant:
            start = middle + 1
        else:
            past = middle
    return start


@compiled
def position(arrays: Arrays, slot: int, time: int, identity: int) -> Any:
    """The cell in front of which an event of that instant and id belongs."""
    start, past = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    place = after(arrays.times, start, past, time)
    while place > start and arrays.times[place - 1] == time and arrays.ids[place - 1] >= identity:
        place -= 1
    return place


@compiled
def repeated(arrays: Arrays, slot: int, time: int, identity: int) -> Any:
    """The cell of the event of that id, -1 where it is not there."""
    start, past = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    if past - start > SCANNED_WHOLE:
        past = after(arrays.times, start, past, time)
        start = after(arrays.times, start, past, time - 1)
    for i in range(start, past):
        if arrays.ids[i] == identity:
            return i
    return -1


@compiled
def ask(
    arrays: Arrays, slot: int, row: Any, again: int, windows: Any, results: Any, number: int
) -> None:
    """What the windows of a request hold, into `results[:, :, number]`; the cell `again` is the
    request itself, if any.

    `row` is (id, time, cents).
    """
    identity, time, cents = row
    start, past = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    place = position(arrays, slot, time, identity)
    for window in range(len(windows)):
        delay = windows[window, DELAY] * MICROSECONDS_PER_DAY
        begin = after(
            arrays.times, start, past, time - delay - windows[window, DAYS] * MICROSECONDS_PER_DAY
        )
        end = after(arrays.times, start, past, time - delay) if delay > 0 else place
        repeats = begin <= again < end
        by_tiles = end - begin > SCANNED_WHOLE and not repeats
        count, total, squares, largest, positives = end - begin - repeats, 0, 0, 0, 0
        if windows[window, SUMS] + windows[window, SQUARES] + windows[window, MAXIMA] > 0:
            total, squares, largest = (
                gather(arrays, begin, end) if by_tiles else scan(arrays.cents, begin, end, again)
            )
        if windows[window, POSITIVES] > 0:
            if by_tiles:
                positives = gather_positives(arrays, begin, end, time)
            else:
                positives = positives_of(arrays.times, arrays.reported, begin, end, time, again)
        if delay == 0 and windows[window, INCLUDED] > 0:
            count += 1
            total += cents
            squares += cents * cents
            largest = max(largest, cents)
        results[window, COUNT, number] = count
        results[window, TOTAL, number] = total
        results[window, SQUARE, number] = squares
        results[window, LARGEST, number] = largest
        results[window, POSITIVE, number] = positives


@compiled
def ask_nothing(row: Any, windows: Any, results: Any, number: int) -> None:
    """The same for an entity that nobody knows."""
    cents = row[2]
    for window in range(len(windows)):
        own = 1 if windows[window, DELAY] == 0 and windows[window, INCLUDED] > 0 else 0
        results[window, COUNT, number] = own
        results[window, TOTAL, number] = own * cents
        results[window, SQUARE, number] = own * cents * cents
        results[window, LARGEST, number] = max(0, own * cents)
        results[window, POSITIVE, number] = 0
