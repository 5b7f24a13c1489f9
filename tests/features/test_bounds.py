"""No loop of the live path leaves its arrays: compiled with checks, as numba's own code has
none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from features.fraud import BASELINE
from features.instants import MICROSECONDS_PER_DAY as DAY
from features.kernel import NEVER, Events, compute
from features.stream import StreamFeatures
from tests.features.streams import unreported


def walk() -> None:
    """States that grow over blocks and tiles, in arenas that keep only amounts or only reports."""
    random, count = np.random.default_rng(2), 700
    time = np.sort(random.integers(0, 40 * DAY, count))
    events = Events(
        id=random.permutation(count),
        time=time,
        cents=random.integers(0, 90_000, count),
        reported=np.where(np.arange(count) < 400, time[-1] - DAY, NEVER),
        keys={
            "customer": random.integers(0, 9, count),
            "terminal": np.where(random.random(count) < 0.95, 1, 2),
        },
    )
    stream = StreamFeatures(BASELINE)
    kept = {
        name: (len(arena._arrays.cents) > 1, len(arena._arrays.reported) > 1)
        for name, arena in stream.arenas.items()
    }
    assert kept == {"customer": (True, False), "terminal": (False, True)}
    stream.serve(unreported(events), BASELINE.features)
    assert stream.report(events.id[:400], events.reported[:400]).all()
    again, _ = stream.serve(events_of(events, [count - 1]), BASELINE.features)
    batch = compute(BASELINE.features, events, np.array([count - 1]))
    for name in BASELINE.names:
        assert again[name].tobytes() == batch[name].tobytes(), name


def events_of(events: Events, rows: list[int]) -> Events:
    """Some of the events, as they come in."""
    return unreported(
        Events(
            id=events.id[rows],
            time=events.time[rows],
            cents=events.cents[rows],
            reported=events.reported[rows],
            keys={name: keys[rows] for name, keys in events.keys.items()},
        )
    )


@pytest.mark.slow
def test_no_loop_leaves_its_arrays(tmp_path: Path) -> None:
    """Ten seconds of compiling, in a cache of its own."""
    checks = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    program = "from tests.features.test_bounds import walk; walk()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **checks},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
