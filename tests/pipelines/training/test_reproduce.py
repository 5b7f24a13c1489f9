"""Reproduce: in a fresh process, from MLflow's record alone, the same bytes; else the difference
has a name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.errors import PermanentError
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.maintenance.erasure.by_key import delete_units
from pipelines.mlflow.tracking import Tracking
from pipelines.run import Run
from pipelines.training.reproduce import reproduce
from pipelines.training.stage import TrainResult, train
from tests.conftest import NOW
from tests.pipelines.ledger_copy import on_ledger_copy
from tests.pipelines.training_lake import (
    AS_OF,
    make_history,
    small_use_case,
    store_history,
    store_table,
)

pytestmark = pytest.mark.slow
FRESH = """
import json, sys
from pipelines.base.settings import Settings
from pipelines.run import Run
from pipelines.training import reproduce as module
from tests.pipelines.training_lake import small_use_case
module.code_version = lambda: sys.argv[2]  # the checkout may change while its tests run
run = Run(Settings.from_environment(), small_use_case())
print(json.dumps(module.reproduce(run, sys.argv[1]).to_json()))
"""


@pytest.fixture(scope="module")
def trained(spark: object, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, TrainResult]:
    settings = Settings.build(home=tmp_path_factory.mktemp("reproduce"), spark_cores=1)
    run = Run(settings, small_use_case(), run_id="test-run", actor="test", clock=lambda: NOW)
    store_history(run, make_history(run))
    result = train(run, AS_OF)
    later = make_history(run, seed=6)
    store_table(run, "features", later.features)
    store_table(run, "fraud_reports", later.fraud_reports)
    return run, result


def test_a_fresh_process_without_the_ledger_arrives_at_the_same_model(
    trained: tuple[Run, TrainResult],
) -> None:
    """The lake has other rows by now; the ledger is out of the way."""
    run, result = trained
    settings = run.settings.model_copy(
        update={"ledger": f"sqlite:///{run.settings.home}/no.sqlite"}
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            FRESH,
            result.released.account.mlflow_run_id,
            result.released.account.code_version,
        ],
        env={**os.environ, **settings.environment()},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["equal"], document
    assert document["found"] == result.released.account.model_digest
    assert document["release"] == result.release_id
    assert [item["what"] for item in document["differences"]] == []


def test_a_release_is_found_by_its_name_and_an_unknown_one_is_told(
    trained: tuple[Run, TrainResult],
) -> None:
    run, result = trained
    run_id, record = Tracking(run.settings, "fraud").training_record(result.release_id)
    assert run_id == result.released.account.mlflow_run_id
    assert record["model_digest"] == result.released.account.model_digest
    for name in ("fraud-20200101-00000000", "0" * 32, "' or 1=1"):
        with pytest.raises(PermanentError, match="no training of that name"):
            reproduce(run, name)


def _recorded(run: Run, result: TrainResult, **changes: Any) -> Path:
    """MLflow's copy of the record, changed."""
    path = next(p for p in (run.settings.home / "mlflow").rglob("release.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


@pytest.mark.parametrize("what", ["data gone", "other data", "seed", "environment", "features"])
def test_what_differs_is_named(trained: tuple[Run, TrainResult], what: str) -> None:
    run, result = trained
    path = next(p for p in (run.settings.home / "mlflow").rglob("release.json"))
    kept = path.read_text()
    versions = json.loads(kept)["data_versions"]
    features = run.use_case.feature_sets[run.use_case.model.feature_set]
    changes: dict[str, tuple[dict[str, Any], str, str]] = {
        "data gone": (
            {"data_versions": {**versions, "features": 99}},
            "data",
            "cannot be read any more",
        ),
        "other data": ({"data_versions": {**versions, "features": 1}}, "data", "rows with digest"),
        "seed": ({"seed": 4}, "seed", str(run.use_case.model.seed)),
        "environment": ({"environment": {"xgboost": "0.1"}}, "environment", "xgboost"),
        "features": (
            {"feature_set": {**json.loads(kept)["feature_set"], "digest": "0"}},
            "code",
            features.digest,
        ),
    }
    changed, change, text = changes[what]
    try:
        _recorded(run, result, **changed)
        reproduction = reproduce(replace(run), result.release_id)
    finally:
        path.write_text(kept)
    assert any(name == change and text in there for name, _, there in reproduction.differences), (
        reproduction.differences
    )
    assert reproduction.equal == (what in {"environment", "features", "seed"}), (
        "what does no harm is told all the same"
    )


def test_rows_that_were_deleted_for_good_are_named_as_the_reason(
    trained: tuple[Run, TrainResult], tmp_path: Path
) -> None:
    """On a copy of lake and ledger: this lake has no earlier version any more afterwards."""
    record, result = trained
    shutil.copytree(record.settings.lake, tmp_path / "lake")
    run = on_ledger_copy(record, tmp_path)
    run = replace(run, settings=run.settings.model_copy(update={"lake": str(tmp_path / "lake")}))
    row: Any = run.lake.read(
        "features", version=result.released.account.data_versions["features"]
    ).first()
    assert delete_units(run, [str(row["customer_id"])], reason="the court said so").tables[
        "features"
    ]["deleted"]
    reproduction = reproduce(run, result.release_id)
    assert not reproduction.equal
    said = [there for what, _, there in reproduction.differences if what == "data"]
    assert "cannot be read any more: [FAILED_READ_FILE" in "".join(said)
    assert "were deleted for good on 2026-" in said[0]
    assert "the court said so" in said[0]
