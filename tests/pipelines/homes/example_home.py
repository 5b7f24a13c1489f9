"""A home with real files of every kind that a day leaves, made without Spark."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.base.home import require_own_home
from pipelines.base.settings import Settings
from pipelines.ledger.homes import require_own_ledger
from pipelines.ledger.ledger import Ledger
from pipelines.releases.signing import sign
from tests.accounts import ingest_account

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def make_home(folder: Path) -> Settings:
    """A new home with keys, a table's log, a database and a first day."""
    settings = Settings.build(home=folder)
    folder.mkdir(parents=True)
    act(settings)
    for name in ("airflow/jwt.key", "airflow/mlflow.key", "serving/keys.json"):
        _write(settings.home / name, f"secret of {folder.name}")
    sign(settings.home, b"a release")
    _write(settings.home / "lake/fraud/transactions/_delta_log/00000000000000000000.json", "{}")
    _write(settings.home / "lake/fraud/transactions/part-0.parquet", "rows")
    with closing(sqlite3.connect(settings.home / "mlflow.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
    run_day(settings, date(2026, 11, 1))
    act(settings)
    return settings


def act(settings: Settings) -> None:
    """What every acting command does first; raises `ConfigurationError` where it may not act."""
    home = require_own_home(settings)
    require_own_ledger(settings, home, actor="test")


def run_day(settings: Settings, day: date) -> None:
    """A day as a command runs it: it arrives, its rows come into the lake, the ledger says so."""
    act(settings)
    content = f"{day} of {settings.home.name}".encode()
    folder = settings.home / "landing" / "fraud" / "transactions" / str(day)
    _write(folder / "part-0.parquet", content.decode())
    files = [{"name": "part-0.parquet", "rows": 1, "sha256": hashlib.sha256(content).hexdigest()}]
    _write(folder / "_MANIFEST.json", json.dumps({"files": files}))
    _write(settings.home / f"lake/fraud/transactions/day={day}/part-0.parquet", content.decode())
    ledger = Ledger(settings.ledger, "fraud")
    ledger.record_stage(day, ingest_account(), "done", run_id=settings.home.name, at=AT)
    ledger._engine.dispose()


def files_of(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a home; databases by their rows, as opening one may touch its
    bytes.
    """
    contents = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(("-wal", "-shm")):
            name = path.relative_to(folder).as_posix()
            contents[name] = (
                _rows(path)
                if path.suffix == ".sqlite"
                else hashlib.sha256(path.read_bytes()).hexdigest()
            )
    return contents


def days_of(settings: Settings) -> dict[date, str]:
    """The days that the ledger knows, each with the name of the home that ran it."""
    ledger = Ledger(settings.ledger, "fraud")
    run_ids = {record.day: record.run_id for record in ledger.stage_records("ingest")}
    ledger._engine.dispose()
    return run_ids


def _rows(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
