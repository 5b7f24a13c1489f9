"""MLflow as we use it: whole records or none, idempotent, and quick, clear words where it cannot be
reached.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from features.fraud import BASELINE
from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings
from pipelines.mlflow.tracking import ModelRecord, Tracking
from tests.failing_calls import failing_call
from tests.guarantees.plugin import Tried
from tests.pipelines.releases.boosters import train_booster


def example_record(release_id: str = "fraud-20261109-0123abcd") -> ModelRecord:
    """A small model with a card."""
    booster = train_booster(BASELINE)
    return ModelRecord(
        release_id=release_id,
        model=booster,
        model_bytes=bytes(booster.save_raw("ubj")),
        inputs={feature.name: feature.dtype for feature in BASELINE.features},
        requirements=("xgboost",),
        parameters={"max_depth": 3},
        metrics={"average_precision": 0.5},
        tags={"decision": "approved"},
        files={"card.md": b"# card"},
    )


@pytest.mark.slow
def test_a_record_is_whole_and_made_once(settings: Settings) -> None:
    tracking, record = Tracking(settings, "fraud"), example_record()
    made = tracking.record(record)
    assert tracking.record(record) == made
    client = tracking._client()
    run = client.get_run(made.run_id)
    assert run.data.params == {"max_depth": "3"}
    assert run.data.metrics == {"average_precision": 0.5}
    assert run.info.status == "FINISHED"
    assert [item.path for item in client.list_artifacts(made.run_id)] == ["card.md"]
    version = client.get_model_version("fraud", made.version)
    digest = hashlib.sha256(record.model_bytes).hexdigest()
    assert version.tags == {
        "release": record.release_id,
        "decision": "approved",
        "model_digest": digest,
    }
    files = {path.name for path in Path(settings.mlflow_artifacts).rglob("*") if path.is_file()}
    assert not {name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))}
    model = next(Path(settings.mlflow_artifacts).rglob("model.ubj"))
    assert model.read_bytes() == record.model_bytes
    assert tracking.champion_version() is None
    tracking.mirror_champion(made.version)
    assert tracking.champion_version() == made.version


@pytest.mark.guarantee(
    "MLflow down", fault="a file operation fails while a training is uploaded, one after another"
)
@pytest.mark.slow
def test_no_incomplete_upload_is_registered_and_a_retry_completes(
    settings: Settings, tried: Tried, thorough: bool
) -> None:
    tracking = Tracking(settings, "fraud")
    number, step, failing_calls = 1, 1 if thorough else 5, 0
    while True:
        record = example_record(f"fraud-20261109-{number:08x}")
        with failing_call(Path(settings.mlflow_artifacts), number) as calls:
            try:
                tracking.record(record)
            except StoreError:
                failing_calls += 1
                assert _versions(tracking, record) == []
        if not calls.failed:
            break
        made = tracking.record(record)
        assert _versions(tracking, record) == [made.version]
        number += step
    assert failing_calls >= 2
    tried(
        (number - 1) // step,
        f"{failing_calls} told and not registered, the others whole; each complete after a retry",
    )


@pytest.mark.slow
def test_a_copy_writes_below_itself_also_where_paths_were_stored_once(
    settings: Settings, tmp_path: Path
) -> None:
    Tracking(settings, "fraud").record(example_record())
    _store_paths_as_older_versions_did(settings)
    shutil.copytree(settings.home, tmp_path / "copy")
    before = sorted(settings.home.rglob("*"))
    copy = Settings.build(home=tmp_path / "copy")
    second = example_record("fraud-20261110-0123abcd")
    made = Tracking(copy, "fraud").record(second)
    assert made.version == "2"
    assert sorted(settings.home.rglob("*")) == before
    assert _versions(Tracking(copy, "fraud"), second) == ["2"]
    settings.home.rename(tmp_path / "away")
    moved = Tracking(Settings.build(home=tmp_path / "away"), "fraud")
    assert _versions(moved, example_record()) == ["1"]
    assert not settings.home.exists()
    for home in (copy.home, tmp_path / "away"):
        with closing(sqlite3.connect(home / "mlflow.sqlite")) as connection:
            assert not [line for line in connection.iterdump() if str(tmp_path) in line]


def _store_paths_as_older_versions_did(settings: Settings) -> None:
    """Absolute addresses in the place of relative ones, in every column that has them."""
    old = Path(settings.mlflow_artifacts).as_uri()
    with closing(sqlite3.connect(settings.home / "mlflow.sqlite")) as connection, connection:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, 'tollgate:/fraud', '{old}/fraud')"
            )


def _versions(tracking: Tracking, record: ModelRecord) -> list[str]:
    """The versions of a release that MLflow's registry knows, each of which leads to the very
    model.
    """
    versions = tracking._client().search_model_versions(
        f"name = 'fraud' and tag.release = '{record.release_id}'"
    )
    for version in versions:
        place = tracking._client().get_model_version_download_uri("fraud", version.version)
        folder = Path(tracking.settings.mlflow_artifacts) / place.removeprefix("tollgate:/")
        assert (folder / "model.ubj").read_bytes() == record.model_bytes
    return [str(version.version) for version in versions]


@pytest.mark.guarantee(
    "MLflow down", fault="what MLflow holds is not what was evaluated", seen="not registered"
)
@pytest.mark.slow
def test_other_bytes_than_the_evaluated_ones_are_not_registered(settings: Settings) -> None:
    record = example_record()
    object.__setattr__(record, "model_bytes", b"{something else")
    tracking = Tracking(settings, "fraud")
    with pytest.raises(StoreError, match="other bytes"):
        tracking.record(record)
    assert not tracking._client().search_model_versions("name = 'fraud'")


@pytest.mark.guarantee("MLflow down", fault="a server that does not answer", seen="told soon")
@pytest.mark.parametrize("where", ["http", "folder", "corrupt"])
def test_an_mlflow_that_does_not_answer_is_told_soon(
    where: str, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"nothing that sqlite would know, for sure not" * 100)
    uri = {
        "http": "http://127.0.0.1:9",
        "folder": f"sqlite:///{tmp_path}/file/mlflow.sqlite",
        "corrupt": f"sqlite:///{tmp_path}/file",
    }[where]
    import mlflow  # noqa: F401 - its import takes seconds, which are not MLflow's answer

    began = time.monotonic()
    with pytest.raises(StoreError, match="MLflow could not be reached") as caught:
        Tracking(settings.model_copy(update={"mlflow": uri}), "fraud").champion_version()
    assert caught.value.where == uri
    assert time.monotonic() - began < 60
