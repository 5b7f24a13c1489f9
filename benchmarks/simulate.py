"""Simulator speed: 1.75 million transactions of the handbook's world, in memory, and written to a
landing zone.

`python -m benchmarks.simulate` prints rows for the table in `benchmarks/README.md`. Aim: at most 10
s on two cores.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.base.days import DayRange
from pipelines.landing.landing import Landing
from pipelines.object_store.storage import LocalStorage
from pipelines.simulate.day import DayPlan, simulate_day
from pipelines.simulate.delivery import simulate
from pipelines.simulate.world import WorldSize, build_world

DAYS = DayRange.of_length(date(2026, 5, 1), 181)
SIZE = WorldSize(customers=5_000, terminals=10_000, seed=1)
REPEATS = 3


@dataclass(frozen=True)
class Timing:
    """The best of several runs of one way to simulate."""

    what: str
    rows: int
    seconds: float

    def to_markdown(self) -> str:
        """A row: what, rows, seconds, rows a second."""
        return (
            f"| {self.what} | {self.rows:,} | {self.seconds:.2f} s |"
            f" {self.rows / self.seconds:,.0f} rows/s |"
        )


def in_memory() -> int:
    """The world and its transactions as arrays; returns how many."""
    world = build_world(SIZE)
    return sum(len(simulate_day(world, day, DayPlan()).events) for day in DAYS)


def written() -> int:
    """The same as Parquet files with manifests, reports and ground truth; returns how many."""
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(LocalStorage(Path(folder) / "landing"))
        return sum(
            sent.transactions for sent in simulate(landing, Path(folder) / "truth", SIZE, DAYS, {})
        )


def timings() -> list[Timing]:
    """Both ways, the best of `REPEATS` runs each."""
    timed = []
    for what, work in (
        ("simulate, in memory", in_memory),
        ("simulate, written to the landing zone", written),
    ):
        runs = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            rows = work()
            runs.append(time.perf_counter() - began)
        timed.append(Timing(what, rows, min(runs)))
    return timed


if __name__ == "__main__":
    print("| what | rows | seconds | rate |")
    print("|---|---|---|---|")
    for timing in timings():
        print(timing.to_markdown())
