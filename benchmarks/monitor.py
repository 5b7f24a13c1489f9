"""Monitoring one day: seconds in a process that has just started, Spark's start included, and in
one that is warm.

`python -m benchmarks.monitor` prints rows for the table in `benchmarks/README.md`. Aims: 15 s for
10,000 rows, 30 s for 400,000. The lake holds what a night finds: the day, the day whose labels have
just matured, and the events and reports of the weeks before that say which cards are known; the
ledger remembers five watched weeks. Evidently's page is made.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from pipelines.base.days import DayRange
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.nightly.monitor.stage import monitor
from pipelines.nightly.score.stage import score
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.pipelines.watched_lake import AT, World, make_world, release_model, store

SIZES = {10_000: 15, 400_000: 30}
"""Rows of the day, and the aim in seconds."""

REPEATS = 3
"""Warm runs, of which the median counts."""

LAST = date(2026, 9, 30)
MATURED = LAST - timedelta(days=7)
HISTORY, REMEMBERED = 60, 36
"""Days of events before the matured one, and of accounts before the last."""

FRAUD_SHARE = 0.3
"""Of the small world's frauds those that are kept, so that about one event in a hundred is
reported.
"""


def main() -> None:
    """Print the table."""
    print("| rows of the day | just started | warm | aim |")
    print("|---|---|---|---|")
    for rows, aim in SIZES.items():
        with tempfile.TemporaryDirectory(prefix="bench-monitor-") as home:
            _child("prepare", home, str(rows))
            fresh, warm = _child("measure", home).split()[-2:]
            print(
                f"| {rows:,} | {float(fresh):.1f} s | {float(warm):.1f} s | <= {aim} s |",
                flush=True,
            )


def _child(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.monitor", *arguments, str(time.time())]
    return subprocess.run(
        command, check=True, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ).stdout


def prepare(home: str, rows: int) -> None:
    """Fill a home: events, features, predictions and reports of the days that a night reads, and
    watched weeks.
    """
    run = _run(home)
    world = _world(rows)
    store(run, world)
    _write_history(run)
    release_model(run, world)
    for day in (MATURED, LAST):
        score(run, DayRange.single(day))
    account = monitor(run, DayRange.single(LAST), evidently=False).accounts[LAST]
    assert account.performance is not None
    assert account.diagnosis is not None
    for back in range(1, REMEMBERED):
        day = LAST - timedelta(days=back)
        watched = account.replaced(
            performance=account.performance.replaced(subject_day=day - timedelta(days=7)),
            diagnosis=account.diagnosis.replaced(cause="well"),
        )
        run.ledger.record_stage(day, watched, "done", run_id="bench", at=AT)


def measure(home: str, started: float) -> None:
    """Print the seconds from the start of this process to the end of its first monitoring; the
    median of the next.
    """
    run = _run(home)
    monitor(run, DayRange.single(LAST))
    fresh = time.time() - started
    print(fresh, median(_seconds(run) for _ in range(REPEATS)))


def _seconds(run: Run) -> float:
    began = time.perf_counter()
    monitor(run, DayRange.single(LAST))
    return time.perf_counter() - began


def _run(home: str) -> Run:
    return Run(Settings.build(home=Path(home)), load("fraud"), run_id="bench", clock=lambda: AT)


def _world(rows: int) -> World:
    """The matured day and the last one, with as many cards and terminals as belong to so many
    rows.
    """
    rng = np.random.default_rng(3)
    days = [
        make_world(1, rows=rows, first=first, seed=seed)
        for seed, first in ((1, MATURED), (2, LAST))
    ]
    days[1].features["transaction_id"] += rows
    features = pd.concat([day.features for day in days], ignore_index=True)
    features["customer_id"] = rng.integers(1, rows // 2, len(features))
    features["terminal_id"] = rng.integers(1, rows, len(features))
    reports = days[0].reports.sample(frac=FRAUD_SHARE, random_state=1)
    return World(features, reports)


def _write_history(run: Run) -> None:
    """Events and reports of the other days: those of the matured day again, moved to days of their
    own.
    """
    from pyspark.sql import functions as sf

    for days in (
        DayRange(MATURED - timedelta(days=HISTORY), MATURED - timedelta(days=1)),
        DayRange(MATURED + timedelta(days=1), LAST - timedelta(days=1)),
    ):
        shifts = run.spark.range((days.first - MATURED).days, (days.last - MATURED).days + 1).toDF(
            "shift"
        )
        for table, moments in (("transactions", "event_time"), ("fraud_reports", "reported_at")):
            kept = run.lake.read(table)
            kept = kept.where(sf.col("day") == (MATURED if table == "transactions" else LAST))
            moved = (
                kept.crossJoin(shifts)
                .withColumn("day", sf.date_add("day", sf.col("shift").cast("int")))
                .withColumn(
                    moments, sf.col(moments) + sf.make_dt_interval(sf.col("shift").cast("int"))
                )
                .withColumn(
                    "transaction_id", sf.col("transaction_id") + sf.col("shift") * 10_000_000
                )
                .withColumn("source_day", sf.col("day"))
                .drop("shift")
            )
            delay = 0 if table == "transactions" else 7
            span = DayRange(days.first + timedelta(days=delay), days.last + timedelta(days=delay))
            run.lake.replace_days(moved, table, span, provenance=run.provenance("bench"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", home, rows, _]:
            prepare(home, int(rows))
        case ["measure", home, started]:
            measure(home, float(started))
        case _:
            main()
