"""The ledger's backup: every row, at one moment, into another ledger of either kind; no other file
is taken for one.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipelines.base.errors import PermanentError, UsageError
from pipelines.base.settings import Settings
from pipelines.ledger import backup as ledger_backup
from pipelines.ledger.backup import TABLES, back_up, restore
from pipelines.ledger.ledger import Ledger, NewIncident
from pipelines.ledger.opening import open_ledger
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import ingest_account
from tests.cli.calling import called
from tests.pipelines.ops.ledger_year import LAST, write_days, write_incidents, write_releases
from tests.servers import Server, new_database

AT = datetime(2026, 11, 8, 2, tzinfo=UTC)


def _rows(url: str) -> dict[str, list[dict[str, Any]]]:
    engine = open_ledger(url)
    with engine.connect() as connection:
        tables = {
            table.name: [
                dict(row)
                for row in connection.execute(
                    sa.select(table).order_by(*table.primary_key.columns)
                ).mappings()
            ]
            for table in TABLES
        }
    engine.dispose()
    return tables


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ledger with a year of nights, releases, moves, incidents and notices."""
    run = Run(Settings.build(home=tmp_path_factory.mktemp("year")), load("fraud"))
    write_days(run, 365)
    write_releases(run)
    write_incidents(run)
    return run.settings.ledger


@pytest.fixture(scope="module")
def backup(year: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "ledger.jsonl.gz"
    counted = back_up(year, path, at=AT)
    assert counted == {name: len(rows) for name, rows in _rows(year).items()}
    return path


def test_every_row_comes_back_and_the_ledger_goes_on(
    year: str, backup: Path, tmp_path: Path
) -> None:
    other = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    restore(backup, other)
    before = _rows(other)
    assert before == _rows(year)
    assert (
        min(len(before[name]) for name in ("stage_records", "releases", "moves", "incidents")) > 0
    )
    assert backup.stat().st_mode & 0o077 == 0
    _goes_on(other)


def test_a_ledger_moves_to_a_server_and_goes_on_there(
    backup: Path, year: str, postgresql_server: Server
) -> None:
    url = new_database(postgresql_server)
    restore(backup, url)
    assert _rows(url) == _rows(year)
    _goes_on(url)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _goes_on(url: str) -> None:
    """What is recorded next has a number after all that were restored."""
    numbers = {row["id"] for row in _rows(url)["stage_records"]}
    day = LAST + timedelta(days=1)
    Ledger(url, "fraud").record_stage(day, ingest_account(), "done", run_id="next", at=AT)
    (new,) = {row["id"] for row in _rows(url)["stage_records"]} - numbers
    assert new > max(numbers)


def test_a_ledger_with_rows_is_not_touched(backup: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    Ledger(url, "fraud").record_stage(date(2026, 1, 1), ingest_account(), "done", run_id="r", at=AT)
    before = _rows(url)
    with pytest.raises(UsageError, match="rows in stage_records"):
        restore(backup, url)
    assert _rows(url) == before


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_what_is_written_meanwhile_is_not_in_it(
    kind: str,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    server = request.getfixturevalue("postgresql_server") if kind == "PostgreSQL" else None
    url = new_database(server) if server else f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    expected = restore(backup, url)
    ledger, line = Ledger(url, "fraud"), ledger_backup._line

    def writing(table: str, row: dict[str, Any]) -> str:
        if table == "stage_records":
            incident = NewIncident(
                kind="late", subject=f"row {row['id']}", severity="warning", summary="s"
            )
            ledger.report_incident(incident, at=AT, actor="another")
            ledger.record_stage(LAST, ingest_account(), "done", run_id="another", at=AT)
        return line(table, row)

    monkeypatch.setattr(ledger_backup, "_line", writing)
    assert back_up(url, tmp_path / "second.jsonl.gz", at=AT) == expected
    assert len(_rows(url)["stage_records"]) > expected["stage_records"]


def test_the_commands_write_and_restore_one(
    year: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path))
    monkeypatch.setenv("TOLLGATE_LEDGER", year)
    code, out, _ = called(capsys, "ledger", "backup", "--json")
    written = json.loads(out)
    assert code == 0
    monkeypatch.setenv("TOLLGATE_LEDGER", f"sqlite:///{tmp_path / 'other.sqlite'}")
    code, out, _ = called(capsys, "ledger", "restore", written["file"], "--json")
    assert (code, json.loads(out)) == (0, written)
    code, out, err = called(capsys, "ledger", "restore", written["file"])
    assert (code, out) == (2, "")
    assert "the ledger is not empty; nothing was changed" in err


@pytest.mark.parametrize(
    "damage",
    [
        "cut off",
        "a flipped bit",
        "a line less",
        "another layout",
        "another file",
        "empty",
        "absent",
    ],
)
def test_what_is_no_whole_backup_is_refused_and_nothing_is_made(
    damage: str, backup: Path, tmp_path: Path
) -> None:
    lines = gzip.decompress(backup.read_bytes()).splitlines(keepends=True)
    content = {
        "a flipped bit": _flipped(backup.read_bytes()),
        "cut off": backup.read_bytes()[:-200],
        "a line less": gzip.compress(b"".join(lines[:5] + lines[6:])),
        "another layout": gzip.compress(
            json.dumps({"tollgate_ledger": 99}).encode() + b"\n" + b"".join(lines[1:])
        ),
        "another file": gzip.compress(b'["something else"]\n'),
        "empty": b"",
    }
    path = tmp_path / "damaged.jsonl.gz"
    if damage in content:
        path.write_bytes(content[damage])
    with pytest.raises(PermanentError, match="no whole backup of a ledger"):
        restore(path, f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    assert not (tmp_path / "ledger.sqlite").exists()
