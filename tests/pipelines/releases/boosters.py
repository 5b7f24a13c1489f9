"""A small booster on a use case's features, and a bundle and ledger entry made of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb

from features.definition import FeatureSet
from pipelines.releases.bundle import Bundle, releases_folder, sha256, write_bundle
from pipelines.run import Run
from tests.accounts import release_account

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
ROUNDS = 12


def matrix(feature_set: FeatureSet, rows: int = 400, *, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, 20.0, (rows, len(feature_set.names)))


def train_booster(feature_set: FeatureSet, *, seed: int = 3) -> xgb.Booster:
    values = matrix(feature_set, seed=seed)
    label = (values[:, 0] + values[:, 3] > 100).astype(float)
    data = xgb.DMatrix(values, label, feature_names=list(feature_set.names))
    return xgb.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": seed}, data, ROUNDS
    )


def make_bundle(home: Path, features: FeatureSet, **more: Any) -> Bundle:
    model = bytes(train_booster(features).save_raw("ubj"))
    release_id = f"fraud-20261109-{sha256(model)[:8]}"
    declared = {"name": features.name, "names": list(features.names), "digest": features.digest}
    content = {
        "release_id": release_id,
        "feature_set": declared,
        "threshold": 0.25,
        "rounds": ROUNDS,
        **more,
    }
    reference = pd.DataFrame(matrix(features, 50), columns=list(features.names)).assign(score=0.5)
    return write_bundle(
        releases_folder(home),
        release_id,
        model=model,
        record=release_account(**content),
        reference=reference,
    )


def make_champion(run: Run, bundle: Bundle) -> None:
    account = bundle.record.replaced(
        manifest_digest=bundle.manifest_digest,
        signed_by=bundle.signed_by,
        model_version="4",
        as_of=date(2026, 11, 9),
    )
    run.ledger.add_release(bundle.release_id, account, at=AT)
    run.ledger.move_champion(
        bundle.release_id,
        expected=run.ledger.champion(),
        reason="for the test",
        actor="test",
        at=AT,
    )
