"""Scoring: from feature rows to scores as the score stage does it, against XGBoost's raw
`inplace_predict`.

`python -m benchmarks.scoring` prints rows for the table in `benchmarks/README.md`. Aim: at most
twice the raw time. The champion is loaded through ledger and verified bundle, as in production; the
raw figure gets a ready matrix.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.definition import FeatureSet
from pipelines.accounts.release import FeatureSetAccount, ReleaseAccount
from pipelines.base.settings import Settings
from pipelines.nightly.score.scored_rows import feature_matrix
from pipelines.releases.bundle import releases_folder, sha256, write_bundle
from pipelines.releases.scorer import BoosterScorer, load_champion
from pipelines.run import Run
from pipelines.training.fitting import fit_booster
from pipelines.usecases.fraud import USE_CASE

NIGHT, BULK = 10_000, 1_000_000
ROUNDS = 100
AT = datetime(2026, 11, 20, tzinfo=UTC)


def feature_rows(feature_set: FeatureSet, rows: int) -> pa.Table:
    """Random feature rows with the stored types: BIGINT or DOUBLE."""
    rng = np.random.default_rng(1)
    return pa.table(
        {
            feature.name: (
                rng.poisson(5, rows) if feature.dtype == "int64" else rng.gamma(2.0, 30.0, rows)
            )
            for feature in feature_set.features
        }
    )


def release(run: Run, feature_set: FeatureSet) -> None:
    """Train a booster of the size that the use case releases, and make it champion."""
    names = list(feature_set.names)
    matrix = feature_matrix(feature_rows(feature_set, 50_000), names)
    label = (np.random.default_rng(2).random(len(matrix)) < matrix[:, 0] / 5000).astype(float)
    booster = fit_booster(matrix, label, names, {"num_boost_round": ROUNDS, "max_depth": 5}, seed=1)
    model = bytes(booster.save_raw("ubj"))
    release_id = f"fraud-20261120-{sha256(model)[:8]}"
    declared = FeatureSetAccount(
        name=feature_set.name, names=tuple(names), digest=feature_set.digest
    )
    record = ReleaseAccount(feature_set=declared, threshold=0.5, rounds=ROUNDS)
    reference = pd.DataFrame(matrix[:100], columns=names).assign(score=0.0)
    folder = releases_folder(run.settings.home)
    bundle = write_bundle(folder, release_id, model=model, record=record, reference=reference)
    account = record.replaced(manifest_digest=bundle.manifest_digest, model_version="1")
    run.ledger.add_release(release_id, account, at=AT)
    run.ledger.move_champion(
        release_id, expected=None, reason="benchmark", actor="benchmark", at=AT
    )


def best_of(works: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds of the fastest run of each; they take turns, so that what else the machine does hits
    all alike.
    """
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, timings in zip(works, seconds, strict=True):
            began = time.perf_counter()
            work()
            timings.append(time.perf_counter() - began)
    return [min(seconds_taken) for seconds_taken in seconds]


def main() -> None:
    """Print a row for a night and one for a bulk load."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Settings.build(home=Path(folder)), USE_CASE)
        feature_set = USE_CASE.feature_sets[USE_CASE.model.feature_set]
        release(run, feature_set)
        began = time.perf_counter()
        scorer = load_champion(run)
        loading = time.perf_counter() - began
    if not isinstance(scorer, BoosterScorer):
        raise SystemExit(f"the champion was not loaded: {scorer.reason}")
    print(
        "| rows × features | raw `inplace_predict` | score stage: rows to scores | ratio | rows/s |"
    )
    print("|---|---|---|---|---|")
    for rows, repeats in ((NIGHT, 50), (BULK, 8)):
        print(compared(scorer, feature_rows(feature_set, rows), repeats))
    print(f"| champion verified and loaded | | {1000 * loading:.1f} ms | | |")


def compared(scorer: BoosterScorer, rows: pa.Table, repeats: int) -> str:
    """A row of the table: raw, through the stage's path, and their ratio."""
    names = scorer.feature_names
    ready, booster = feature_matrix(rows, names), scorer.booster
    rounds = (0, scorer.rounds)
    raw, stage = best_of(
        [
            lambda: booster.inplace_predict(ready, iteration_range=rounds),
            lambda: scorer.score(feature_matrix(rows, names)),
        ],
        repeats,
    )
    size = f"{rows.num_rows:,} × {len(names)}"
    return (
        f"| {size} | {1000 * raw:.1f} ms | {1000 * stage:.1f} ms | {stage / raw:.2f} |"
        f" {rows.num_rows / stage:,.0f} |"
    )


if __name__ == "__main__":
    main()
