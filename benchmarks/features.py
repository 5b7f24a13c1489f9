"""Features: the engine against DuckDB, pandas and Spark's own windows, and a night after 136 days
against after 45.

`python -m benchmarks.features` prints rows for the table in `benchmarks/README.md`: what, seconds
(the best of several runs, warm), seconds of what it is compared with, ratio, aim. The data are the
public handbook's 136 days.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.feature_lake import BenchLake, lake_of
from benchmarks.feature_rivals import (
    duckdb_features,
    handbook_customers,
    handbook_terminals,
    spark_range_features,
)
from features.batch import compute_features
from features.instants import MICROSECONDS_PER_DAY
from features.kernel import NEVER, Events, compute
from features.layout import Layout
from pipelines.base.days import DayRange
from pipelines.nightly.features.stage import build_features
from pipelines.problems.labels import with_reports

if TYPE_CHECKING:
    import pandas as pd

REPEATS = 3
NIGHTS = 7
SHARE_OF_KEYS = 20
"""pandas is measured on every twentieth customer and terminal, and multiplied: its time is linear
in the groups.
"""

SAMPLE = f"1/{SHARE_OF_KEYS} of the keys, times {SHARE_OF_KEYS}"


@dataclass(frozen=True)
class Comparison:
    """Two ways to do one thing; `aim` in words, empty where there is none."""

    what: str
    seconds: float
    against: str
    other: float
    ratio: str
    aim: str = ""

    def to_markdown(self) -> str:
        """A row: what, seconds, against, seconds, ratio, aim."""
        return (
            f"| {self.what} | {self.seconds:.2f} s | {self.against} | {self.other:.2f} s |"
            f" {self.ratio} | {self.aim} |"
        )


def interleaved(repeats: int, *works: Callable[[], object]) -> list[list[float]]:
    """Seconds of each work's runs, taken in turns after one of each that does not count: all see
    the same machine.
    """
    seconds: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for work, taken in zip(works, seconds, strict=True):
            began = time.perf_counter()
            work()
            if turn:
                taken.append(time.perf_counter() - began)
    return seconds


def engine(lake: BenchLake, table: str) -> None:
    """The fifteen features of all days, from the lake's Delta tables into a Delta table, one file a
    day.
    """
    run, feature_set = lake.run, lake.run.use_case.feature_sets["baseline"]
    events = with_reports(
        run.lake.read("transactions"), run.lake.read("fraud_reports"), run.use_case
    )
    layout = Layout(stripes=run.settings.spark_cores)
    frame = compute_features(events, feature_set, lake.days, layout=layout)
    run.lake.replace_days(frame, table, lake.days, provenance=run.provenance("bench"))


def spark_ranges(lake: BenchLake, table: str) -> None:
    """The same by Spark's `rangeBetween`, one file a day."""
    run = lake.run
    events = with_reports(
        run.lake.read("transactions"), run.lake.read("fraud_reports"), run.use_case
    )
    frame = spark_range_features(events).repartition(2 * run.settings.spark_cores, "day")
    run.lake.replace_days(frame, table, lake.days, provenance=run.provenance("bench"))


def in_memory(lake: BenchLake) -> tuple[float, float]:
    """Seconds from memory to memory, on one thread: the kernel's, and the handbook's pandas code
    extrapolated.
    """
    run = lake.run
    events = with_reports(
        run.lake.read("transactions"), run.lake.read("fraud_reports"), run.use_case
    )
    keys = ["transaction_id", "event_time", "customer_id", "terminal_id"]
    amount, fraud = "CAST(amount AS DOUBLE) amount", "CAST(reported_at IS NOT NULL AS INT) fraud"
    frame = events.selectExpr(*keys, amount, fraud).toPandas()
    return _kernel_seconds(lake, frame), _pandas_seconds(frame)


def _kernel_seconds(lake: BenchLake, frame: pd.DataFrame) -> float:
    time_of_event = frame.event_time.astype("datetime64[us]").astype("int64").to_numpy()
    events = Events(
        id=frame.transaction_id.to_numpy(),
        time=time_of_event,
        cents=(frame.amount * 100).round().astype("int64").to_numpy(),
        reported=np.where(frame.fraud == 1, time_of_event + 7 * MICROSECONDS_PER_DAY, NEVER),
        keys={"customer": frame.customer_id.to_numpy(), "terminal": frame.terminal_id.to_numpy()},
    )
    features = lake.run.use_case.feature_sets["baseline"].features
    return min(interleaved(REPEATS, partial(compute, features, events, np.arange(len(events))))[0])


def _pandas_seconds(frame: pd.DataFrame) -> float:
    of_customers = frame[frame.customer_id % SHARE_OF_KEYS == 0].copy()
    at_terminals = frame[frame.terminal_id % SHARE_OF_KEYS == 0].copy()
    began = time.perf_counter()
    handbook_customers(of_customers)
    handbook_terminals(at_terminals)
    return (time.perf_counter() - began) * SHARE_OF_KEYS


def whole_history(lake: BenchLake, folder: Path) -> list[Comparison]:
    """The engine over all days against its rivals, in turns."""
    ours, files, one_file, ranges = interleaved(
        REPEATS,
        partial(engine, lake, "bench_engine"),
        partial(duckdb_features, lake, folder / "duck", by_day=True),
        partial(duckdb_features, lake, folder / "duck.parquet", by_day=False),
        partial(spark_ranges, lake, "bench_ranges"),
    )
    seconds, (kernel, handbook) = min(ours), in_memory(lake)
    what, pandas = (
        f"features of {len(lake.days)} days, lake to Delta",
        f"handbook's pandas, in memory ({SAMPLE})",
    )
    return [
        _compared(what, seconds, "DuckDB, to one Parquet file", min(one_file), "<= 3x"),
        _compared(what, seconds, "DuckDB, to one Parquet file a day", min(files)),
        _compared(what, seconds, "Spark `rangeBetween`, lake to Delta", min(ranges)),
        _compared(what, seconds, pandas, handbook),
        _compared(
            f"the kernel on {len(lake.days)} days, in memory, one thread",
            kernel,
            pandas,
            handbook,
            ">= 20x",
        ),
    ]


def with_gate(lake: BenchLake) -> Comparison:
    """The whole stage over all days (all stored features, row counts, gate, ledger) against the
    engine alone.
    """
    stage = partial(build_features, lake.run, lake.days, include_stale=False)
    whole, alone = (
        min(taken) for taken in interleaved(2, stage, partial(engine, lake, "bench_engine"))
    )
    what = f"stage `features` over {len(lake.days)} days, gate and accounts included"
    return _compared(what, whole, "engine alone, baseline features", alone)


def nights(long: BenchLake, short: BenchLake) -> Comparison:
    """The stage for the last day, where the lake holds many days and where it holds few."""
    night = DayRange.single(long.days.last)
    works = (partial(build_features, lake.run, night) for lake in (long, short))
    many, few = (statistics.median(taken) for taken in interleaved(NIGHTS, *works))
    return Comparison(
        f"a night after {len(long.days)} days, median of {NIGHTS}",
        many,
        f"after {len(short.days)} days",
        few,
        f"{many / few:.2f}x as long",
        "<= 1.15x",
    )


def _compared(what: str, seconds: float, against: str, other: float, aim: str = "") -> Comparison:
    ratio = (
        f"{seconds / other:.2f}x as long" if seconds > other else f"{other / seconds:.1f}x as fast"
    )
    return Comparison(what, seconds, against, other, ratio, aim)


def main() -> None:
    """Make the lakes, measure, print the rows."""
    with tempfile.TemporaryDirectory(prefix="bench-features-") as folder:
        print("| what | seconds | against | seconds | ratio | aim |\n|---|---|---|---|---|---|")
        long, short = lake_of(Path(folder) / "long"), lake_of(Path(folder) / "short", 45)
        for row in whole_history(long, Path(folder)):
            print(row.to_markdown(), flush=True)
        build_features(short.run, short.days)
        for work in (partial(with_gate, long), partial(nights, long, short)):
            print(work().to_markdown(), flush=True)


if __name__ == "__main__":
    main()
