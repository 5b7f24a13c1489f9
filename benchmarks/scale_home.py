"""A bank of any size on the eve of a night: 37 days of history in the lake, a release, the day's
files in the landing.

`python -m benchmarks.scale_home HOME ROWS [hot]` makes it. The history is written straight into the
lake, by the same simulator whose files the night ingests; with `hot`, a tenth of all transactions
happen at one terminal.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.accounts.ingest import FeedCounts, IngestAccount
from pipelines.accounts.release import FeatureSetAccount, ReleaseAccount
from pipelines.base.days import DayRange, midnight
from pipelines.base.settings import Settings
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.score.stage import score
from pipelines.releases.bundle import releases_folder, sha256, write_bundle
from pipelines.run import Run
from pipelines.simulate.incidents import Effects
from pipelines.simulate.reports import Reporting, reported_at
from pipelines.simulate.tables import EVENTS, LABELS, reports_table, transactions_table
from pipelines.simulate.transactions import Transactions, transactions_of
from pipelines.simulate.world import World, WorldSize, build_world
from pipelines.training.fitting import fit_booster
from pipelines.usecases.registry import load

NIGHT = date(2026, 9, 30)
HISTORY = 37
MATURED = NIGHT - timedelta(days=7)
AT = datetime(2026, 10, 1, 2, tzinfo=UTC)
ROWS_A_CUSTOMER = 1.938
"""Transactions of a customer a day, on average: two, less those that the simulator's day leaves
out.
"""

MOST_TERMINALS = 40_000
LEARNT, REFERENCE = 100_000, 5_000
HOT_SHARE = 0.1


def world_of(rows: int) -> World:
    """A world with about `rows` transactions a day; the simulator takes 10,000,000,000 pairs of
    card and terminal.
    """
    customers = round(rows / ROWS_A_CUSTOMER)
    terminals = min(MOST_TERMINALS, 2 * customers, 9_900_000_000 // customers)
    return build_world(WorldSize(customers=customers, terminals=terminals, seed=1))


def prepare(home: str, rows: int, *, hot: bool) -> None:
    """Fill the home."""
    settings = Settings.build(home=Path(home), spark_memory="6g")
    run = Run(settings, load("fraud"), run_id="bench", actor="bench", clock=lambda: AT)
    history = DayRange.of_length(NIGHT - timedelta(days=HISTORY), HISTORY)
    world, due = world_of(rows), _Due()
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        _write_history(run, _days(world, history, due, hot=hot), Path(folder), history, due)
    night = _day(world, NIGHT, due, hot=hot)
    landing = run.landing
    landing.write_day(EVENTS.name, NIGHT, [transactions_table(night)])
    landing.write_day(LABELS.name, NIGHT, [due.on(NIGHT)])
    matured = DayRange.single(MATURED)
    build_features(run, matured, include_stale=False)
    _release(run, matured)
    score(run, matured)


class _Due:
    """Reports of simulated days, by the day on which they come."""

    def __init__(self) -> None:
        self.days: dict[date, list[Any]] = {}

    def add(self, events: Transactions, times: Any) -> None:
        reported = ~np.isnat(times)
        days = times[reported].astype("datetime64[D]")
        for day in np.unique(days):
            here = days == day
            table = reports_table(events.transaction_id[reported][here], times[reported][here])
            self.days.setdefault(day.item(), []).append(table)

    def on(self, day: date) -> Any:
        nothing = reports_table(np.empty(0, dtype=np.int64), np.empty(0, dtype="datetime64[us]"))
        return pa.concat_tables([nothing, *self.days.get(day, [])])


def _days(world: World, days: DayRange, due: _Due, *, hot: bool) -> Iterator[tuple[date, Any]]:
    for day in days:
        yield day, transactions_table(_day(world, day, due, hot=hot))


def _day(world: World, day: date, due: _Due, *, hot: bool) -> Transactions:
    events = transactions_of(world, day, Effects())
    due.add(events, reported_at(world.size, day, events, Reporting(), Effects()))
    if not hot:
        return events
    there = np.random.default_rng(day.toordinal()).random(len(events)) < HOT_SHARE
    return replace(events, terminal_id=np.where(there, 0, events.terminal_id))


def _write_history(
    run: Run, days: Iterator[tuple[date, Any]], folder: Path, history: DayRange, due: _Due
) -> None:
    counts: dict[date, int] = {}
    for day, table in days:
        counts[day] = table.num_rows
        _write(folder / EVENTS.name, day, table)
    for day in history:
        _write(folder / LABELS.name, day, due.on(day))
    for feed in (EVENTS.name, LABELS.name):
        rows = run.spark.read.parquet(str(folder / feed))
        run.lake.replace_days(rows, feed, history, provenance=run.provenance("setup"))
    versions = run.lake.versions([EVENTS.name, LABELS.name])
    accounts = {
        day: IngestAccount(
            state="arrived",
            rows_in=counts[day],
            feeds={EVENTS.name: FeedCounts(rows_in=counts[day], accepted=counts[day])},
            changed_days=(),
            versions=versions,
        )
        for day in history
    }
    run.ledger.record_stages(accounts, "done", run_id="bench", at=AT)


def _write(folder: Path, day: date, table: Any) -> None:
    folder.mkdir(exist_ok=True)
    stamp = pa.repeat(pa.scalar(day, pa.date32()), table.num_rows)
    pq.write_table(
        table.append_column("day", stamp).append_column("source_day", stamp),
        folder / f"{day}.parquet",
    )


def _release(run: Run, days: DayRange) -> None:
    """Fit a model of the released size to a matured day and make it champion; what it is worth is
    nobody's question.
    """
    feature_set = run.use_case.feature_sets[run.use_case.model.feature_set]
    names, policy = list(feature_set.names), run.use_case.model
    rows = run.lake.read("features", days=days).orderBy(EVENTS.key[0]).limit(LEARNT).toPandas()
    frauds = (
        run.lake.read(LABELS.name).where(f"reported_at <= '{midnight(NIGHT):%Y-%m-%d}'").toPandas()
    )
    label = rows[EVENTS.key[0]].isin(frauds[EVENTS.key[0]]).to_numpy(dtype=float)
    booster = fit_booster(
        rows[names].to_numpy(dtype=float),
        label,
        names,
        {**policy.fixed, **policy.search[0]},
        seed=1,
    )
    reference = rows[names].astype(float).head(REFERENCE)
    reference = reference.assign(score=booster.inplace_predict(reference.to_numpy()).astype(float))
    model = bytes(booster.save_raw("ubj"))
    release_id = f"fraud-20260923-{sha256(model)[:8]}"
    declared = FeatureSetAccount(
        name=feature_set.name, names=tuple(names), digest=feature_set.digest
    )
    record = ReleaseAccount(
        feature_set=declared, threshold=0.5, rounds=policy.fixed["num_boost_round"]
    )
    bundle = write_bundle(
        releases_folder(run.settings.home),
        release_id,
        model=model,
        record=record,
        reference=reference,
    )
    account = record.replaced(
        manifest_digest=bundle.manifest_digest, signed_by=bundle.signed_by, model_version="1"
    )
    run.ledger.add_release(release_id, account, at=AT)
    run.ledger.move_champion(
        release_id, expected=None, reason="benchmark", actor="benchmark", at=AT
    )


if __name__ == "__main__":
    prepare(sys.argv[1], int(sys.argv[2]), hot="hot" in sys.argv[3:])
