"""A home whose state is on servers: what is not in a backup is said, and no copy acts on the
original's by itself.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.base.home import placement, require_own_home
from pipelines.base.settings import Settings
from pipelines.homes.adoption import adopt
from pipelines.homes.backup import back_up_home
from pipelines.homes.restore import restore_home
from pipelines.ledger.backup import back_up, restore
from pipelines.ledger.homes import HomeLedger
from pipelines.ledger.ledger import Ledger
from pipelines.online.address import OnlineAddress
from pipelines.online.marker import mark_build
from tests.accounts import features_account, materialize_account
from tests.cli.calling import called
from tests.object_store import REGION, make_bucket, s3
from tests.pipelines.homes.example_home import AT, act
from tests.servers import Server, new_database, redis_url

DAY = date(2026, 11, 1)
BUILD = "2026-11-02T02:00:00+00:00"
COMMIT = "lake/fraud/features/_delta_log/00000000000000000003.json"
SERVERS = (
    "landing",
    "lake",
    "ledger",
    "mlflow",
    "mlflow_artifacts",
    "online_store",
    "online_registry",
    "airflow_database",
)


@dataclass
class Places:
    """Servers, and the original home on them."""

    endpoint: str
    postgresql: Server
    redis: Server
    original: Settings
    bucket: Any

    def others(self, home: Path, **changes: Any) -> Settings:
        """Settings of a home on the same servers, in databases, a bucket and a Redis database of
        its own.
        """
        bucket = f"bank-{uuid.uuid4().hex[:8]}"
        make_bucket(self.endpoint, bucket)
        return on_servers(self, home, bucket, number=1, **changes)

    def at_the_originals(self, home: Path, **changes: Any) -> Settings:
        """Settings of another home that name all that the original uses."""
        return self.original.model_copy(update={"home": home, **changes})

    def content(self) -> dict[str, Any]:
        """All that the original's servers hold."""
        with psycopg.connect(self.original.ledger) as connection:
            rows = [
                connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # type: ignore[call-overload]
                for table in ("audit", "stage_records", "releases")
            ]
        objects = {entry.key: entry.e_tag for entry in self.bucket.objects.all()}
        client = redis.Redis(port=self.redis.port, password=self.redis.password)
        keys = {key: client.get(key) for key in client.scan_iter()}
        return {"rows": rows, "objects": objects, "keys": keys}


def on_servers(places: Places, home: Path, bucket: str, *, number: int, **changes: Any) -> Settings:
    given = {
        "landing": f"s3://{bucket}/landing",
        "lake": f"s3://{bucket}/lake",
        "mlflow_artifacts": f"s3://{bucket}/mlflow",
        "s3_endpoint": places.endpoint,
        "s3_region": REGION,
        "ledger": new_database(places.postgresql),
        "mlflow": new_database(places.postgresql),
        "online_registry": new_database(places.postgresql),
        "airflow_database": new_database(places.postgresql),
        "online_store": redis_url(places.redis).replace("/0", f"/{number}"),
    }
    return Settings.build(home=home, **{**given, **changes})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3(patch) as address:
        yield address


@pytest.fixture
def places(
    endpoint: str, postgresql_server: Server, redis_server: Server, tmp_path: Path
) -> Iterator[Places]:
    """An original whose ledger knows a version of a table, and a build of the online store, and
    both are there.
    """
    bucket = make_bucket(endpoint, "bank")
    places = Places(
        endpoint, postgresql_server, redis_server, Settings.build(home=tmp_path), bucket
    )
    places.original = original = on_servers(places, tmp_path / "original", "bank", number=0)
    original.home.mkdir()
    act(original)
    bucket.put_object(Key=COMMIT, Body=b'{"commitInfo": {}}')
    ledger = Ledger(original.ledger, "fraud")
    ledger.record_stage(DAY, features_account(version=3, rows=1), "done", run_id="night", at=AT)
    built = materialize_account(
        marked=True, entities={"customer": 1}, built_at=BUILD, watermark=str(DAY)
    )
    ledger.record_stage(DAY, built, "done", run_id="night", at=AT)
    client = redis.Redis(port=redis_server.port, password=redis_server.password)
    client.flushall()
    client.set("customer 1", "its states")
    mark_build(OnlineAddress.of(original), "fraud", BUILD)
    yield places
    bucket.objects.delete()
    bucket.delete()


@pytest.fixture
def backup(places: Places, tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "home.tar"
    back_up_home(places.original, path, at=AT)
    return path


def in_environment(settings: Settings, patch: pytest.MonkeyPatch) -> None:
    for name, value in settings.environment().items():
        patch.setenv(name, value)


def days_of(settings: Settings) -> set[tuple[str, date]]:
    ledger = Ledger(settings.ledger, "fraud")
    days: set[tuple[str, date]] = set()
    for stage in ("features", "materialize"):
        days |= {(stage, record.day) for record in ledger.stage_records(stage)}
    return days


def test_the_backup_says_what_is_not_in_it_and_what_to_do(
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    key = tmp_path / "elsewhere.key"
    key.write_bytes(b"k" * 32)
    in_environment(places.original.model_copy(update={"id_key": key}), monkeypatch)
    code, said, _ = called(capsys, "backup", str(tmp_path / "home.tar"))
    assert code == 0
    lines = {
        line.split()[4]: line
        for line in said.splitlines()
        if line.startswith("not in the backup: ")
    }
    assert set(lines) == {
        f"TOLLGATE_{name.upper()}" for name in (*SERVERS, "id_key") if name != "ledger"
    }
    assert "copy the bucket" in lines["TOLLGATE_LAKE"]
    assert "pg_dump" in lines["TOLLGATE_MLFLOW"]
    assert "repair online" in lines["TOLLGATE_ONLINE_STORE"]
    assert places.redis.password not in said
    assert places.postgresql.password not in said


def test_a_restore_that_would_act_on_the_originals_stores_is_refused_and_leaves_nothing(
    places: Places, backup: Path, tmp_path: Path
) -> None:
    before = places.content()
    two = places.at_the_originals(tmp_path / "two")
    with pytest.raises(ConfigurationError, match="nothing was restored") as refused:
        restore_home(two, backup, actor="test", at=AT)
    assert refused.value.where.split(", ") == [f"TOLLGATE_{name.upper()}" for name in SERVERS]
    assert not two.home.exists()
    assert not [path for path in tmp_path.iterdir() if "restoring" in path.name]
    assert places.content() == before


@pytest.mark.parametrize("name", ["ledger", "lake", "online_store"])
def test_another_spelling_of_an_address_is_the_same_store(
    places: Places, backup: Path, tmp_path: Path, name: str
) -> None:
    original = places.original
    spelled = {
        "ledger": original.ledger.replace("postgresql://", "postgres://").replace(
            "127.0.0.1", "LOCALHOST"
        ),
        "lake": original.lake.replace("s3://", "s3a://") + "/",
        "online_store": original.online_store.removesuffix("/0").replace("127.0.0.1", "localhost"),
    }
    two = places.others(tmp_path / "two", **{name: spelled[name]})
    with pytest.raises(ConfigurationError, match="nothing was restored") as refused:
        restore_home(two, backup, actor="test", at=AT)
    assert refused.value.where == f"TOLLGATE_{name.upper()}"


def test_a_home_restored_beside_it_has_the_ledger_and_says_which_stores_lack_what(
    places: Places,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = places.content()
    two = places.others(tmp_path / "two")
    in_environment(two, monkeypatch)
    code, said, errors = called(capsys, "restore", str(backup))
    assert code == 0, errors
    assert "not in the backup: TOLLGATE_LAKE (s3://bank/lake): copy the bucket" in said
    assert "store lake: 1 tables of the lake are older than the ledger says" in said
    assert "store online: the online store does not hold the states" in said
    assert days_of(two) == days_of(places.original)
    assert HomeLedger(two.ledger, "fraud").owner() == require_own_home(two).home_id
    act(two)

    for entry in places.bucket.objects.all():
        places.bucket.meta.client.copy_object(
            Bucket=two.lake.split("/")[2],
            Key=entry.key,
            CopySource={"Bucket": "bank", "Key": entry.key},
        )
    code, said, _ = called(capsys, "home", "adopt")
    assert code == 0
    assert "store lake" not in said
    assert places.content() == before


def test_a_restored_home_that_is_led_to_the_originals_store_later_refuses(
    places: Places, backup: Path, tmp_path: Path
) -> None:
    two = places.others(tmp_path / "two")
    restore_home(two, backup, actor="test", at=AT)
    act(two)
    for name in ("lake", "mlflow", "online_store", "airflow_database", "landing"):
        led = two.model_copy(update={name: getattr(places.original, name)})
        with pytest.raises(
            ConfigurationError, match="home that this one was copied from"
        ) as refused:
            act(led)
        assert refused.value.where == f"TOLLGATE_{name.upper()}"
    shared = two.model_copy(update={"landing": places.original.landing})
    assert adopt(shared, actor="test", at=AT, share=("landing",)).event == "allowed"
    act(shared)


def test_another_store_under_the_same_address_is_taken_when_somebody_says_so(
    places: Places, backup: Path, tmp_path: Path
) -> None:
    two = places.others(tmp_path / "two", lake=places.original.lake)
    with pytest.raises(ConfigurationError, match="--separate"):
        restore_home(two, backup, actor="test", at=AT)
    restore_home(two, backup, actor="test", at=AT, separate=("lake",))
    act(two)
    with pytest.raises(UsageError, match="'lakes'"):
        adopt(two, actor="test", at=AT, separate=("lakes",))


def test_a_lost_folder_comes_back_to_its_servers_with_the_ledger_as_it_is(
    places: Places, backup: Path, tmp_path: Path
) -> None:
    original = places.original
    identity = require_own_home(original).home_id
    Ledger(original.ledger, "fraud").record_stage(
        date(2026, 11, 2), features_account(version=3, rows=1), "done", run_id="since", at=AT
    )
    before = places.content()
    shutil.rmtree(original.home)
    with pytest.raises(ConfigurationError, match="nothing was restored") as refused:
        restore_home(original, backup, actor="test", at=AT)
    assert "--same-home" in refused.value.next_step
    assert not original.home.exists()
    done = restore_home(original, backup, actor="test", at=AT, same_home=True)
    assert done.ledger_kept
    assert require_own_home(original).home_id == identity
    assert places.content() == before
    act(original)


def test_a_ledger_comes_back_from_a_server_into_a_file_and_from_there_to_a_server(
    places: Places, backup: Path, tmp_path: Path
) -> None:
    file = places.others(tmp_path / "two", ledger=f"sqlite:///{tmp_path / 'two' / 'ledger.sqlite'}")
    restore_home(file, backup, actor="test", at=AT)
    assert days_of(file) == days_of(places.original)
    back_up_home(file, tmp_path / "second.tar", at=AT)
    three = places.others(
        tmp_path / "three", online_store=redis_url(places.redis).replace("/0", "/2")
    )
    restore_home(three, tmp_path / "second.tar", actor="test", at=AT)
    assert days_of(three) == days_of(places.original)


def test_a_copied_folder_is_adopted_once_it_has_stores_of_its_own(
    places: Places, tmp_path: Path
) -> None:
    before = places.content()
    shutil.copytree(places.original.home, tmp_path / "two")
    at_the_originals = places.at_the_originals(tmp_path / "two")
    with pytest.raises(ConfigurationError, match="stores of the home") as refused:
        adopt(at_the_originals, actor="test", at=AT)
    assert refused.value.where.split(", ") == [f"TOLLGATE_{name.upper()}" for name in SERVERS]
    assert placement(at_the_originals).state == "elsewhere"
    two = places.others(tmp_path / "two")
    back_up(places.original.ledger, tmp_path / "ledger.jsonl.gz", at=AT)
    restore(tmp_path / "ledger.jsonl.gz", two.ledger)
    assert adopt(two, actor="test", at=AT).event == "adopted"
    assert HomeLedger(two.ledger, "fraud").owner() == require_own_home(two).home_id
    assert places.content() == before


def test_a_copy_of_a_copy_acts_on_neither(places: Places, backup: Path, tmp_path: Path) -> None:
    two = places.others(tmp_path / "two")
    restore_home(two, backup, actor="test", at=AT)
    act(two)
    back_up_home(two, tmp_path / "second.tar", at=AT)
    for lake in (two.lake, places.original.lake):
        redis_database = redis_url(places.redis).replace("/0", "/2")
        three = places.others(tmp_path / "three", online_store=redis_database, lake=lake)
        with pytest.raises(ConfigurationError, match="nothing was restored") as refused:
            restore_home(three, tmp_path / "second.tar", actor="test", at=AT)
        assert refused.value.where == "TOLLGATE_LAKE"


def test_databases_and_folders_outside_the_home_are_in_the_backup_or_named(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    outside = {
        name: tmp_path / "outside" / f"{name}.sqlite"
        for name in ("airflow_database", "online_registry")
    }
    (tmp_path / "outside").mkdir()
    for name, path in outside.items():
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"CREATE TABLE {name} (x)")
    given = {name: f"sqlite:///{path}" for name, path in outside.items()}
    original = Settings.build(home=tmp_path / "one", **given, lake=str(tmp_path / "not mounted"))
    original.home.mkdir()
    act(original)
    done = back_up_home(original, tmp_path / "home.tar", at=AT)
    assert done.elsewhere == {"lake": f"{tmp_path / 'not mounted'}: nothing is there"}
    two = Settings.build(home=tmp_path / "two")
    restore_home(two, tmp_path / "home.tar", actor="test", at=AT)
    inside = {"airflow_database": "airflow/airflow.db", "online_registry": "online/registry.sqlite"}
    for name, below in inside.items():
        with closing(sqlite3.connect(two.home / below)) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [(name,)]


def test_a_damaged_ledger_that_was_put_aside_is_in_the_backup(tmp_path: Path) -> None:
    original = Settings.build(home=tmp_path / "one")
    original.home.mkdir()
    act(original)
    (original.home / "ledger.sqlite.damaged").write_text("rows that somebody wants to look into")
    back_up_home(original, tmp_path / "home.tar", at=AT)
    two = Settings.build(home=tmp_path / "two")
    restore_home(two, tmp_path / "home.tar", actor="test", at=AT)
    assert (two.home / "ledger.sqlite.damaged").is_file()
