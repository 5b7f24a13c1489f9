"""The usual way to serve: FastAPI, values of features from Feast's online store, `predict_proba` of
an XGBClassifier.

`python -m benchmarks.serving_rival FOLDER PORT` serves what `make_rival` made. It looks up last
night's answers (counts and means as they stood), moves no state, logs nothing and knows no release;
Feast is called in the process, without the hop to a feature server of its own, which would cost it
more.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import uvicorn
import xgboost as xgb
from fastapi import FastAPI
from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Float64
from feast.value_type import ValueType
from pydantic import BaseModel

from benchmarks.serving_home import AT
from features.definition import FeatureSet
from features.state import entities_with_state, entity_features
from pipelines.online.feast_library import load_feast

MODEL = "model.ubj"


class Transaction(BaseModel):
    """One request."""

    transaction_id: int
    event_time: datetime
    customer_id: int
    terminal_id: int
    amount: float


def store(folder: Path) -> FeatureStore:
    """A Feast store of SQLite files."""
    load_feast()
    return FeatureStore(
        config=RepoConfig(
            project="rival",
            provider="local",
            registry={"registry_type": "sql", "path": f"sqlite:///{folder / 'registry.sqlite'}"},
            online_store={"type": "sqlite", "path": str(folder / "online.sqlite")},
            offline_store={"type": "spark"},
            entity_key_serialization_version=3,
        )
    )


def make_rival(folder: Path, features: FeatureSet, counts: dict[str, int], booster: Path) -> None:
    """Fill the store with a value of each entity's features for each key, and put the model beside
    it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    feast = store(folder)
    rng = np.random.default_rng(3)
    for entity in entities_with_state(features):
        key = features.schema.entity(entity).key
        names = [feature.name for feature in entity_features(features, entity)]
        declared = Entity(name=entity, join_keys=[key], value_type=ValueType.INT64)
        source = SparkSource(
            name=entity, path=str(folder), file_format="parquet", timestamp_field="at"
        )
        fields = [Field(name=name, dtype=Float64) for name in names]
        view = FeatureView(
            name=entity, entities=[declared], schema=fields, source=source, online=True
        )
        feast.apply([declared, view])
        feast.refresh_registry()
        values = {name: rng.gamma(2.0, 30.0, counts[entity]) for name in names}
        keys = {key: np.arange(counts[entity]), "at": [AT] * counts[entity]}
        feast.write_to_online_store(entity, pd.DataFrame(keys | values))
    (folder / MODEL).write_bytes(booster.read_bytes())


def application(folder: Path, features: FeatureSet) -> FastAPI:
    """The service."""
    app, feast = FastAPI(), store(folder)
    model = xgb.XGBClassifier(n_jobs=1)
    model.load_model(folder / MODEL)
    width = model.get_booster().num_features()
    names = []
    for entity in entities_with_state(features):
        names += [f"{entity}:{feature.name}" for feature in entity_features(features, entity)]

    @app.post("/v1/score")
    def score(rows: list[Transaction]) -> list[dict[str, Any]]:
        keys = [{"customer_id": row.customer_id, "terminal_id": row.terminal_id} for row in rows]
        values = feast.get_online_features(features=names, entity_rows=keys).to_dict()
        columns = [[row.amount for row in rows], *(values[name.split(":")[1]] for name in names)]
        matrix = np.zeros((len(rows), width))
        matrix[:, : min(width, len(columns))] = np.array(columns[:width], dtype=float).T
        scores = model.predict_proba(matrix)[:, 1]
        return [
            {"transaction_id": row.transaction_id, "score": float(score)}
            for row, score in zip(rows, scores, strict=True)
        ]

    return app


if __name__ == "__main__":
    from pipelines.usecases.fraud import USE_CASE

    served = application(Path(sys.argv[1]), USE_CASE.feature_sets[USE_CASE.model.feature_set])
    uvicorn.run(served, port=int(sys.argv[2]), log_level="error")
