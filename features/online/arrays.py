"""The arrays that states are in: a hash index, a slot for each entity, blocks of cells; and finding
places in them.

Whole numbers only, as everywhere in the loops of the arenas (`features.online.loops`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled

USED, SLOTS, EVENTS, DROPPED = 0, 1, 2, 3
"""Places in `Arrays.counters`: cells of the event arrays that were ever taken, entities, events,
events let go.
"""

SCANNED_WHOLE = 512
"""Events of a state that are looked at one by one.

A longer one is searched for a repeated id among those of the same instant only, and its windows are
made of tiles (`features.online.tiles`).
"""

TILE_BITS = 8
"""A tile is of 256 cells."""

_MOSTLY = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


class Arrays(NamedTuple):
    """The states: a hash index from key to slot, a block of cells for each slot, and free blocks of
    each size.

    A slot's cells `start` to `start + length` hold its events by (time, id). `cents` or `reported`
    have one cell only where they are not kept. Tile k is of the cells 256 k and on, right where
    they all are of one state that is longer than `SCANNED_WHOLE`: cents, their squares and largest,
    how many were reported, and when the last of those was. `free[k]` is the first free block of
    size class k, its first id the next one.
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


OF_SLOTS = ("key", "start", "length", "size_class", "marks")
OF_CELLS = ("ids", "times", "cents", "reported")
OF_TILES = ("tile_total", "tile_square", "tile_largest", "tile_positive", "tile_told")
"""The arrays with a place for each entity, each event, each tile."""


@compiled
def class_size(number: int) -> Any:
    """Cells of a block: 4, 6, 8, 12, 16, 24, …"""
    return (2 + (number & 1)) << ((number >> 1) + 1)


@compiled
def class_of(cells: int) -> Any:
    """The smallest size class that holds so many cells."""
    number = 0
    while class_size(number) < cells:
        number += 1
    return number


@compiled
def place_of(index_keys: Any, index_slots: Any, key: int) -> Any:
    """Where the key is in the index, or the empty place where it would be (splitmix64, linear
    probing).
    """
    mask = np.uint64(len(index_keys) - 1)
    mixed = np.uint64(key) + np.uint64(_MOSTLY)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_MIX_1)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX_2)
    place = (mixed ^ (mixed >> np.uint64(31))) & mask
    while index_slots[place] >= 0 and index_keys[place] != key:
        place = (place + np.uint64(1)) & mask
    return place


@compiled
def find_slots(arrays: Arrays, keys: Any, slots: Any) -> Any:
    """The slot of each key into `slots`, -1 for one that is not there; returns how many are not."""
    absent = 0
    for i in range(len(keys)):
        slots[i] = arrays.index_slots[place_of(arrays.index_keys, arrays.index_slots, keys[i])]
        absent += slots[i] < 0
    return absent


@compiled
def fill_index(index_keys: Any, index_slots: Any, keys: Any, count: int) -> None:
    """Enter the first `count` keys, all different, under their places."""
    for slot in range(count):
        place = place_of(index_keys, index_slots, keys[slot])
        index_keys[place] = keys[slot]
        index_slots[place] = slot


@compiled
def new_slot(arrays: Arrays, key: int) -> Any:
    """The key's slot, made if need be; -1 where there is no room for another."""
    place = place_of(arrays.index_keys, arrays.index_slots, key)
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


@compiled
def block(arrays: Arrays, number: int) -> Any:
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
