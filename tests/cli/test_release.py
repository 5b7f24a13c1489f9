"""`tollgate train`, `which`, `releases`: what they print, and exit codes that say whether the thing
asked for holds.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.base.settings import Settings
from pipelines.releases.bundle import MODEL, releases_folder
from pipelines.run import Run
from pipelines.usecases.fraud import USE_CASE
from tests.cli.calling import called
from tests.pipelines.releases.boosters import AT, make_bundle, make_champion
from tests.pipelines.training_lake import AS_OF, make_history, store_history

RECORD: dict[str, Any] = {
    "as_of": "2026-11-09",
    "training": {
        "train_days": ["2026-09-21", "2026-10-18"],
        "test_days": ["2026-10-26", "2026-11-01"],
    },
    "data_versions": {"features": 3, "transactions": 5, "fraud_reports": 4},
    "policy_digest": "p" * 64,
    "code_version": "0123456789ab",
    "environment": {"python": "3.11.7", "xgboost": "3.2.0"},
    "seed": 7,
    "parameters": {"max_depth": 3},
    "mlflow_run_id": "a" * 32,
    "trained_because": "test",
    "model_digest": "d" * 64,
    "evaluation": {
        "metrics": {
            "candidate": {"average_precision": 0.7, "auc_roc": 0.9},
            "rule": {"average_precision": 0.2},
        },
        "verdict": {"decision": "approved", "reasons": [], "checks": []},
    },
}


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return Run(settings, USE_CASE, run_id="test-run", actor="test", clock=lambda: AT)


def _released(run: Run) -> str:
    features = run.use_case.feature_sets[run.use_case.model.feature_set]
    bundle = make_bundle(run.settings.home, features, **RECORD)
    make_champion(run, bundle)
    return bundle.release_id


def test_which_says_all_of_the_champion(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    release_id = _released(run)
    code, out, _ = called(capsys, "which", "--json")
    account = json.loads(out)
    assert code == 0
    assert account["release"] == release_id
    assert account["state"] == "champion"
    assert account["loadable"]
    assert account["promoted_because"] == "for the test"
    assert account["promoted_at"] == AT.isoformat()
    for name in ("model_digest", "training", "data_versions", "code_version"):
        assert account[name] == RECORD[name], name
    assert account["model_version"] == "4"
    assert account["feature_set"]["name"] == run.use_case.model.feature_set
    assert account["metrics"]["candidate"] == RECORD["evaluation"]["metrics"]["candidate"]


def test_which_reads_well(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    release_id = _released(run)
    code, out, _ = called(capsys, "which")
    assert code == 0
    assert f"{release_id} decides" in out
    assert "average_precision" in out


def test_which_fails_where_the_champion_cannot_be_loaded(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    release_id = _released(run)
    (releases_folder(run.settings.home) / release_id / MODEL).write_bytes(b"{")
    code, out, _ = called(capsys, "which", "--json")
    assert code == 1
    assert "changed: model.ubj" in json.loads(out)["problem"]


@pytest.mark.usefixtures("run")
def test_without_a_champion_the_next_step_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, "which", "--json")
    assert code == 1
    assert json.loads(out)["error"]["next step"] == "tollgate train --as-of D"
    assert "the declared rule decides" in err
    code, out, _ = called(capsys, "releases")
    assert code == 0
    assert "no release exists yet" in out


def test_releases_lists_states(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    release_id = _released(run)
    code, out, _ = called(capsys, "releases", "--json")
    assert code == 0
    assert [
        (item["release"], item["state"], item["primary_metric"]) for item in json.loads(out)
    ] == [(release_id, "champion", 0.7)]


@pytest.mark.usefixtures("run")
def test_a_wrong_day_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, "train", "--as-of", "../../etc")
    assert code == 2
    assert "--as-of is not a calendar day" in err


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_train_exits_by_what_became_of_the_release(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """3 where nothing can beat the rule, with the reasons; the rule goes on deciding."""
    store_history(run, make_history(run, only_rule=True))
    code, out, _ = called(capsys, "train", "--as-of", str(AS_OF), "--json")
    document = json.loads(out)
    assert code == 3
    assert document["state"] == "refused"
    assert document["verdict"]["reasons"][0].startswith("beats_rule")
    assert run.ledger.champion() is None
