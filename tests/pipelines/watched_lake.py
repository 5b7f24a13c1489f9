"""A small lake as the stages before scoring leave it, with a released booster: what score and
monitor are tested on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange
from pipelines.releases.bundle import releases_folder, write_bundle
from pipelines.run import Run
from tests.accounts import features_account, ingest_account, release_account
from tests.pipelines.lake_rows import replace_rows

FIRST = date(2026, 9, 7)
"""A Monday."""
AT = datetime(2026, 9, 1, tzinfo=UTC)
RELEASE = "fraud-20260906-0123abcd"


@dataclass(frozen=True)
class World:
    """`features` as the table of that name; `reports` with transaction_id and reported_at (all
    times UTC).
    """

    features: pd.DataFrame
    reports: pd.DataFrame

    def of(self, day: date) -> pd.DataFrame:
        return self.features[self.features["day"] == day]


def make_world(
    days: int, *, rows: int = 600, seed: int = 7, first: date = FIRST, shift: float = 1.0
) -> World:
    """`days` days of `rows` events of 2,000 customers; 3 % are frauds with large amounts, reported
    7 days later.

    `shift` multiplies every amount of the last day, as a day of another world would.
    """
    rng = np.random.default_rng(seed)
    n = days * rows
    day_number = np.repeat(np.arange(days), rows)
    amount = np.round(rng.gamma(2.0, 25.0, n), 2)
    fraud = rng.random(n) < 0.03
    amount[fraud] += 150
    amount[day_number == days - 1] *= shift
    second = rng.integers(0, 86_400, n)
    time = pd.to_datetime(np.datetime64(first) + day_number.astype("timedelta64[D]"), utc=True)
    time = (time + pd.to_timedelta(second, unit="s")).as_unit("us")
    frame: dict[str, Any] = {
        "transaction_id": np.arange(1, n + 1),
        "event_time": time,
        "customer_id": rng.integers(1, 2000, n),
        "terminal_id": rng.integers(1, 80, n),
    }
    features = _features(rng, amount, time, day_number == days - 1, shift)
    frame |= {name: features[name] for name in features}
    frame["day"] = [first + timedelta(days=int(d)) for d in day_number]
    table = pd.DataFrame(frame)
    frauds = table[fraud]
    reports = pd.DataFrame(
        {
            "transaction_id": frauds["transaction_id"],
            "reported_at": frauds["event_time"] + pd.Timedelta(days=7),
        }
    )
    return World(table, reports)


def _features(
    rng: np.random.Generator,
    amount: np.ndarray,
    time: pd.DatetimeIndex,
    last: np.ndarray,
    shift: float,
) -> dict[str, np.ndarray]:
    """Values of every stored feature; those that are not amounts or calendar are noise of the right
    kind.
    """
    from pipelines.usecases.fraud import USE_CASE

    n = len(amount)
    values: dict[str, np.ndarray] = {}
    for feature in USE_CASE.stored_features.features:
        if feature.dtype == "int64":
            values[feature.name] = rng.poisson(6, n).astype(np.int64)
        else:
            values[feature.name] = np.where(last, shift, 1.0) * rng.gamma(4.0, 10.0, n)
    values["amount"] = amount
    values["is_weekend"] = (time.dayofweek >= 5).astype(np.int64)
    values["is_night"] = (time.hour <= 6).astype(np.int64)
    return values


def store(run: Run, world: World) -> DayRange:
    """Write the world into the run's lake (features, transactions, fraud_reports) and ledger;
    returns its days.
    """
    days = DayRange(world.features["day"].min(), world.features["day"].max())
    events = world.features[
        ["transaction_id", "event_time", "customer_id", "terminal_id", "amount", "day"]
    ]
    events = events.assign(source_day=events["day"])
    reports = world.reports.assign(
        day=world.reports["reported_at"].dt.date, source_day=world.reports["reported_at"].dt.date
    )
    _write(run, "features", world.features, days)
    _write(run, "transactions", events, days)
    _write(run, "fraud_reports", reports, days.widened(after=60))
    counts = world.features.groupby("day").size()
    accounts = {day: features_account(rows=int(counts[day])) for day in counts.index}
    run.ledger.record_stages(accounts, "done", run_id="setup", at=AT)
    ingested = {day: _ingested(int(counts[day])) for day in counts.index}
    run.ledger.record_stages(ingested, "done", run_id="setup", at=AT)
    return days


def _ingested(rows: int) -> IngestAccount:
    counts = {"rows_in": rows + 3, "accepted": rows, "quarantined": 2}
    return ingest_account(
        state="arrived",
        **counts,
        duplicates=1,
        late=0,
        feeds={"transactions": counts},
        rules={"amount_not_negative": 2},
    )


def _write(run: Run, table: str, frame: pd.DataFrame, days: DayRange) -> None:
    replace_rows(run, table, pa.Table.from_pandas(frame, preserve_index=False), days)


def release_model(run: Run, world: World, *, release_id: str = RELEASE, rounds: int = 20) -> str:
    """Train a small booster on the world, put it into a bundle, and make it champion; returns the
    release id.
    """
    import xgboost as xgb

    feature_set = run.use_case.feature_sets[run.use_case.model.feature_set]
    rows = world.features
    label = rows["transaction_id"].isin(world.reports["transaction_id"]).to_numpy(dtype=float)
    data = xgb.DMatrix(
        rows[list(feature_set.names)].astype(float), label, feature_names=list(feature_set.names)
    )
    booster = xgb.train(
        {"max_depth": 3, "objective": "binary:logistic", "seed": 1, "nthread": 1}, data, rounds
    )
    score = booster.predict(data)
    reference = (
        rows[list(feature_set.names)]
        .assign(score=score.astype(float))
        .sample(4000, random_state=1, replace=True)
    )
    record = release_account(
        release_id=release_id,
        feature_set={
            "name": feature_set.name,
            "names": list(feature_set.names),
            "digest": feature_set.digest,
        },
        threshold=0.5,
        rounds=rounds,
    )
    folder = releases_folder(run.settings.home)
    bundle = write_bundle(
        folder, release_id, model=bytes(booster.save_raw("ubj")), record=record, reference=reference
    )
    account = record.replaced(
        manifest_digest=bundle.manifest_digest, signed_by=bundle.signed_by, model_version="7"
    )
    run.ledger.add_release(release_id, account, at=AT)
    run.ledger.move_champion(
        release_id, expected=run.ledger.champion(), reason="test", actor="test", at=AT
    )
    return release_id
