"""Which events lie in a window: the search against counting one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.instants import MICROSECONDS_PER_DAY as DAY
from pipelines.parity.served import suspects as module
from pipelines.parity.served.suspects import ByEntity, Suspects

ROW = st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 40))
"""Key, half days, id."""


def _suspects(rows: list[tuple[int, int, int]]) -> Suspects:
    key, half_days, ids = (np.array([row[n] for row in rows], dtype=np.int64) for n in range(3))
    zero = np.zeros(len(rows), dtype=np.int64)
    flags = {"gone": zero.astype(bool), "other": zero.astype(bool)}
    times = half_days * DAY // 2
    return Suspects(
        id=ids,
        time=times,
        keys={"card": key},
        rank=zero,
        stamp=zero,
        writer=zero,
        since=zero,
        **flags,
    )


@settings(max_examples=200, deadline=None)
@given(
    held=st.lists(ROW, max_size=25),
    requested=st.lists(ROW, min_size=1, max_size=12),
    days=st.integers(1, 4),
    delay=st.integers(0, 3),
    block=st.sampled_from([1, 3, 1000]),
)
def test_pairs_are_those_of_the_definition(
    held: list[tuple[int, int, int]],
    requested: list[tuple[int, int, int]],
    days: int,
    delay: int,
    block: int,
) -> None:
    before, module.PAIRS_AT_ONCE = module.PAIRS_AT_ONCE, block
    try:
        by_card = ByEntity(_suspects(held), "card")
        blocks_of = _suspects(requested)
        blocks = by_card.near(
            blocks_of.keys["card"], blocks_of.time, blocks_of.id, days=days, delay_days=delay
        )
        pairs: list[tuple[int, int]] = []
        for numbers, places in blocks:
            pairs += zip(numbers.tolist(), places.tolist(), strict=True)
    finally:
        module.PAIRS_AT_ONCE = before
    kept = by_card.suspects
    expected: list[tuple[int, int]] = []
    for i, (key, half, identity) in enumerate(requested):
        time = half * DAY // 2
        expected += [
            (i, j)
            for j in range(len(kept.id))
            if kept.keys["card"][j] == key
            and time - (delay + days) * DAY < kept.time[j] <= time - delay * DAY
            and (kept.time[j], kept.id[j]) < (time, identity)
        ]
    assert sorted(pairs) == sorted(expected)
