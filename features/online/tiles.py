"""Sums over stretches of a state: cell by cell where it is short, by tiles of 256 cells where it is
long.
"""

from __future__ import annotations

from typing import Any

from features.compiled import compiled
from features.online.arrays import SCANNED_WHOLE, TILE_BITS, Arrays
from features.timeline import NEVER


@compiled
def scan(cents: Any, begin: int, end: int, again: int) -> Any:
    """Cents, their squares and the largest of the cells from `begin` up to `end`, one by one,
    without `again`.
    """
    total, squares, largest = 0, 0, 0
    for i in range(begin, end):
        if i != again:
            value = cents[i]
            total += value
            squares += value * value
            largest = max(largest, value)
    return total, squares, largest


@compiled
def gather(arrays: Arrays, begin: int, end: int) -> Any:
    """The same for a long stretch of a long state: whole tiles, and what is over at both ends one
    by one.
    """
    inner = ((begin - 1) >> TILE_BITS) + 1
    outer = end >> TILE_BITS
    total, squares, largest = scan(arrays.cents, begin, inner << TILE_BITS, -1)
    for tile in range(inner, outer):
        total += arrays.tile_total[tile]
        squares += arrays.tile_square[tile]
        largest = max(largest, arrays.tile_largest[tile])
    after = scan(arrays.cents, outer << TILE_BITS, end, -1)
    return total + after[0], squares + after[1], max(largest, after[2])


@compiled
def positives_of(times: Any, reported: Any, begin: int, end: int, time: int, again: int) -> Any:
    """How many of those cells were reported at or before an instant, and lie before it; without
    `again`.
    """
    count = 0
    for i in range(begin, end):
        at = reported[i]
        if at <= time and at >= times[i] and times[i] < time and i != again:
            count += 1
    return count


@compiled
def gather_positives(arrays: Arrays, begin: int, end: int, time: int) -> Any:
    """The same by tiles; one of which a report is later than the instant is looked through."""
    inner = ((begin - 1) >> TILE_BITS) + 1
    outer = end >> TILE_BITS
    count = positives_of(arrays.times, arrays.reported, begin, inner << TILE_BITS, time, -1)
    for tile in range(inner, outer):
        past = (tile + 1) << TILE_BITS
        if arrays.tile_positive[tile] == 0:
            continue
        if arrays.tile_told[tile] <= time and arrays.times[past - 1] < time:
            count += arrays.tile_positive[tile]
        else:
            count += positives_of(arrays.times, arrays.reported, tile << TILE_BITS, past, time, -1)
    return count + positives_of(arrays.times, arrays.reported, outer << TILE_BITS, end, time, -1)


@compiled
def make_tiles(arrays: Arrays, slot: int, first: int, past: int) -> None:
    """Make the tiles of the cells from `first` up to `past` of a slot anew; those of a short state
    are never asked.
    """
    if arrays.length[slot] <= SCANNED_WHOLE:
        return
    begin, end = arrays.start[slot], arrays.start[slot] + arrays.length[slot]
    for tile in range(first >> TILE_BITS, ((past - 1) >> TILE_BITS) + 1):
        low, high = max(tile << TILE_BITS, begin), min((tile + 1) << TILE_BITS, end)
        if len(arrays.cents) > 1:
            total, squares, largest = scan(arrays.cents, low, high, -1)
            arrays.tile_total[tile] = total
            arrays.tile_square[tile] = squares
            arrays.tile_largest[tile] = largest
        if len(arrays.reported) > 1:
            positives, latest = 0, 0
            for cell in range(low, high):
                if arrays.reported[cell] != NEVER and arrays.reported[cell] >= arrays.times[cell]:
                    positives += 1
                    latest = max(latest, arrays.reported[cell])
            arrays.tile_positive[tile] = positives
            arrays.tile_told[tile] = latest
