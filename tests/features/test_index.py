"""The index of an arena: each key is in its own place, the first one too, however full the table
is.
"""

from __future__ import annotations

import numpy as np

from features.online.arrays import fill_index, place_of

PLACES = 16


def test_keys_that_want_the_same_place_all_keep_one() -> None:
    """Half full, as it may become; of 300 tables of 8 keys many have keys that meet the first
    one's.
    """
    random = np.random.default_rng(1)
    met_first = 0
    for _ in range(300):
        keys = random.integers(-(2**62), 2**62, PLACES // 2)
        index_keys = np.zeros(PLACES, dtype=np.int64)
        index_slots = np.full(PLACES, -1, dtype=np.int32)
        wanted = [int(place_of(index_keys, index_slots, key)) for key in keys]
        met_first += wanted[0] in wanted[1:]
        fill_index(index_keys, index_slots, keys, len(keys))
        places = [int(place_of(index_keys, index_slots, key)) for key in keys]
        assert index_slots[places].tolist() == list(range(len(keys)))
        assert index_keys[places].tolist() == keys.tolist()
        absent = place_of(index_keys, index_slots, keys[0] + 1)
        assert index_slots[absent] == -1
    assert met_first > 50
