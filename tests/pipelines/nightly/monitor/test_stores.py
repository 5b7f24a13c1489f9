"""Lost stores never name a wrong thing: what came back empty or older is told, and made again from
what is left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from itertools import chain
from pathlib import Path

import pytest

from pipelines.base.settings import Settings
from pipelines.ledger.backup import back_up, restore
from pipelines.maintenance.repair_stores import repair_ledger, repair_mlflow
from pipelines.mlflow.tables import read_registry
from pipelines.mlflow.tracking import Tracking
from pipelines.nightly.monitor.stores import watch_stores
from pipelines.online.address import OnlineAddress
from pipelines.online.marker import held, mark_build
from pipelines.releases.alias import follow
from pipelines.releases.bundle import Bundle, sha256
from pipelines.releases.loading import release_bundle
from pipelines.run import Run
from pipelines.stores.checks import look_at_stores, note_ledger
from pipelines.training.registration import record_from_bundle, taken_versions
from tests import servers
from tests.accounts import account_of
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, stored_release

FIRST = date(2026, 11, 2)


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, USE, run_id="test-run", actor="test", clock=lambda: AT)


def _release(run: Run, seed: int) -> Bundle:
    """A release that MLflow and the ledger know, as `stages.release` leaves it, with a pointer that
    may be moved.
    """
    made = stored_release(run, seed, "approved", more={"model_digest": _digest(seed)})
    account = run.ledger.release(made.release_id).account
    registered = Tracking(run.settings, "fraud").record(
        record_from_bundle(made, account), taken=taken_versions(run, made.release_id)
    )
    _change_payload(
        run,
        made.release_id,
        {"mlflow_run_id": registered.run_id, "model_version": registered.version},
    )
    return made


def _digest(seed: int) -> str:
    from features.fraud import BASELINE
    from tests.pipelines.releases.boosters import train_booster

    return sha256(bytes(train_booster(BASELINE, seed=seed).save_raw("ubj")))


def _change_payload(run: Run, release_id: str, more: dict[str, str]) -> None:
    import json

    payload = {**run.ledger.release(release_id).account.to_stored(), **more}
    with (
        closing(sqlite3.connect(run.settings.ledger.removeprefix("sqlite:///"))) as database,
        database,
    ):
        database.execute(
            "UPDATE releases SET payload = ? WHERE release_id = ?",
            (json.dumps(payload), release_id),
        )


def _champion(run: Run, release_id: str) -> None:
    run.ledger.move_champion(
        release_id, expected=run.ledger.champion(), reason="a test's", actor="test", at=AT
    )


def _as_a_new_process() -> None:
    """Let MLflow forget its connections: every command is a process of its own, which opens the
    file that is there.
    """
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Models
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs
    from mlflow.tracking._model_registry.registry import ModelRegistryStoreRegistry
    from mlflow.tracking._tracking_service.registry import TrackingStoreRegistry

    for store in (Models, Runs):
        for engine in store._engine_map.values():
            engine.dispose()
        store._engine_map.clear()
    for registry in (ModelRegistryStoreRegistry, TrackingStoreRegistry):
        registry._get_store_with_resolved_uri.cache_clear()


def _lose_mlflow(run: Run) -> None:
    _as_a_new_process()
    for ending in ("", "-wal", "-shm"):
        Path(f"{_mlflow_file(run)}{ending}").unlink(missing_ok=True)


def _lost(run: Run) -> dict[str, str]:
    return {store.store: store.summary for store in look_at_stores(run).lost}


def _alias(run: Run) -> str | None:
    """The release that MLflow's alias names."""
    registry = read_registry(run.settings.mlflow, "fraud", "champion")
    return next(
        (version.release for version in registry.versions if version.version == registry.alias),
        None,
    )


def _mlflow_file(run: Run) -> Path:
    return Path(run.settings.mlflow.removeprefix("sqlite:///"))


@pytest.mark.slow
def test_an_mlflow_that_was_lost_names_nothing_wrong_and_is_made_again(run: Run) -> None:
    first, second = _release(run, 1), _release(run, 2)
    for release_id in (first, second):
        _champion(run, release_id.release_id)
    assert follow(run) == ()
    assert _alias(run) == second.release_id
    assert watch_stores(run) == ()
    numbers = {
        release.release_id: release.account.model_version for release in run.ledger.releases()
    }

    _lose_mlflow(run)
    assert "MLflow does not know 2 of 2 releases" in _lost(run)["mlflow"]
    waiting = _release(run, 3)  # a candidate that nobody has approved
    assert run.ledger.release(waiting.release_id).account.model_version not in numbers.values()
    assert "names nothing until it does" in follow(run)[0]
    assert _alias(run) is None
    assert [incident.subject for incident in run.ledger.incidents(open_only=True)] == ["mlflow"]

    repaired = repair_mlflow(run)
    assert f"the alias champion names {second.release_id}" in repaired.done
    assert any("pictures" in line for line in repaired.not_done)
    assert (_alias(run), _lost(run)) == (second.release_id, {})
    assert not run.ledger.incidents(open_only=True)
    earlier = str(run.ledger.release(first.release_id).account.mlflow_run_id)
    for name in (first.release_id, earlier):
        assert (
            Tracking(run.settings, "fraud").training_record(name)[1]["release_id"]
            == first.release_id
        )
    assert repair_mlflow(run).done == (f"the alias champion names {second.release_id}",), (
        "once more changes nothing"
    )


@pytest.mark.slow
def test_version_numbers_come_back_where_mlflow_has_them_free(run: Run) -> None:
    made = [_release(run, seed) for seed in (1, 2)]
    for release_id in made:
        _champion(run, release_id.release_id)
    _lose_mlflow(run)
    repair_mlflow(run)
    registry = read_registry(run.settings.mlflow, "fraud", "champion")
    assert {version.release: version.version for version in registry.versions} == {
        release.release_id: release.account.model_version for release in run.ledger.releases()
    }


@pytest.mark.slow
def test_an_alias_that_names_another_model_is_put_right_by_the_next_look(run: Run) -> None:
    first, second = _release(run, 1), _release(run, 2)
    _champion(run, first.release_id)
    other = Tracking(run.settings, "fraud").registered(second.release_id, second.model_digest)
    assert other is not None
    Tracking(run.settings, "fraud").mirror_champion(other.version)
    assert f"names {second.release_id}" in _lost(run)["mlflow"]
    assert watch_stores(run) == ()
    assert _alias(run) == first.release_id


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["pages", "files"])
def test_damage_within_mlflow_is_seen_and_repaired(run: Run, damage: str) -> None:
    release_id = _release(run, 1)
    _champion(run, release_id.release_id)
    follow(run)
    _as_a_new_process()
    if damage == "pages":
        with closing(sqlite3.connect(_mlflow_file(run))) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = _mlflow_file(run).stat().st_size
        with _mlflow_file(run).open("r+b") as file:
            file.seek(size // 4)
            file.write(bytes(size // 2))
    else:
        next(Path(run.settings.mlflow_artifacts).rglob("model.ubj")).unlink()
    assert ("damaged" if damage == "pages" else "files of 1 of 1 releases are gone") in _lost(run)[
        "mlflow"
    ]
    assert watch_stores(run)
    repair_mlflow(run)
    assert (_lost(run), _alias(run)) == ({}, release_id.release_id)
    assert release_bundle(run, release_id.release_id).model in {
        path.read_bytes() for path in Path(run.settings.mlflow_artifacts).rglob("model.ubj")
    }
    assert not run.ledger.incidents(open_only=True)


@pytest.mark.slow
def test_a_ledger_from_an_older_backup_is_told_and_taken_up_again(run: Run, tmp_path: Path) -> None:
    first = _release(run, 1)
    _champion(run, first.release_id)
    backup = tmp_path / "backup.gz"
    back_up(run.settings.ledger, backup, at=AT)
    second = _release(run, 2)
    _champion(run, second.release_id)
    assert watch_stores(run) == ()

    Path(run.settings.ledger.removeprefix("sqlite:///")).unlink()
    for beside in ("-wal", "-shm"):
        Path(run.settings.ledger.removeprefix("sqlite:///") + beside).unlink(missing_ok=True)
    restore(backup, run.settings.ledger)
    older = Run(run.settings, USE, run_id="later", actor="test", clock=lambda: AT)
    assert "older than the home" in _lost(older)["ledger"]
    note_ledger(older)
    assert "ledger" in _lost(older), "an older ledger does not overwrite what was noted"
    watch_stores(older)
    assert _alias(older) == first.release_id, (
        "the alias names the champion of the ledger that there is"
    )

    repaired = repair_ledger(older)
    assert any(second.release_id in line for line in repaired.done)
    assert older.ledger.states(second.release_id)[-1]["state"] == "retired"
    assert _lost(older) == {}


def _stage(run: Run, stage: str, payload: dict[str, object], run_id: str = "manual-1") -> None:
    run.ledger.record_stage(FIRST, account_of(stage, payload), "done", run_id=run_id, at=AT)


def test_a_lake_that_is_older_than_an_account_is_told(run: Run) -> None:
    log = Path(run.settings.lake, "fraud", "transactions", "_delta_log")
    log.mkdir(parents=True)
    for version in range(3):
        (log / f"{version:020d}.json").write_text("{}")
    _stage(run, "ingest", {"versions": {"transactions": 2}})
    assert _lost(run) == {}
    _stage(run, "ingest", {"versions": {"transactions": 7}})
    assert "transactions: version 2, the ledger knows 7" in _lost(run)["lake"]
    (incident,) = [store for store in watch_stores(run) if store.store == "lake"]
    assert incident.evidence
    _stage(run, "ingest", {"versions": {"transactions": 2}})  # computed anew from the landing zone
    assert watch_stores(run) == ()
    assert not run.ledger.incidents(open_only=True)


def test_an_airflow_that_forgot_its_runs_is_told(run: Run) -> None:
    _stage(run, "ingest", {"versions": {}}, run_id="ingest/scheduled__2026-11-03T02:00:00+00:00")
    assert "does not know the runs" in _lost(run)["airflow"]
    path = run.settings.home / "airflow" / "airflow.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE dag_run (dag_id TEXT, run_id TEXT)")
        assert "airflow" in _lost(run)
        database.execute(
            "INSERT INTO dag_run VALUES ('ingest', 'scheduled__2026-11-03T02:00:00+00:00')"
        )
    assert _lost(run) == {}


@pytest.fixture(params=["file", pytest.param("redis", marks=pytest.mark.services)])
def online(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Run]:
    if request.param == "file":
        yield Run(settings, USE, run_id="test-run", actor="test", clock=lambda: AT)
        return
    with servers.redis() as server:
        changed = settings.model_copy(update={"online_store": servers.redis_url(server)})
        yield Run(changed, USE, run_id="test-run", actor="test", clock=lambda: AT)


def lost_evidence(run: Run) -> Iterator[str]:
    """What speaks for the loss of a store, of all stores that are lost."""
    return chain.from_iterable(store.evidence for store in look_at_stores(run).lost)


def test_an_online_store_that_was_emptied_or_exchanged_is_told(online: Run) -> None:
    address, build = OnlineAddress.of(online.settings), "2026-11-03T03:00:00+00:00"
    address.prepare()
    account = {"entities": {}, "watermark": str(FIRST), "built_at": build, "marked": True}
    _stage(online, "materialize", account)
    assert "does not hold the states" in _lost(online)["online"]
    mark_build(address, "fraud", "2026-11-02T03:00:00+00:00")
    assert any("not that of" in line for line in lost_evidence(online))
    mark_build(address, "fraud", build)
    assert held(address, "fraud", []).build == build
    assert _lost(online) == {}
    _stage(online, "materialize", {**account, "entities": {"customer": 40, "terminal": 60}})
    assert any("keys of 100" in line for line in lost_evidence(online))


def test_a_store_that_does_not_answer_closes_no_incident(run: Run) -> None:
    _stage(run, "ingest", {"versions": {}}, run_id="ingest/scheduled__2026-11-03T02:00:00+00:00")
    watch_stores(run)
    path = run.settings.home / "airflow" / "airflow.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    assert look_at_stores(run).silent == ("airflow",)
    watch_stores(run)
    assert [incident.subject for incident in run.ledger.incidents(open_only=True)] == ["airflow"]
