"""Ledgers of other versions: an older home is brought forward whole, a newer one is left alone."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.ledger.ledger import Ledger, Pointer
from pipelines.ledger.tables import SCHEMA_VERSION

AT = datetime(2026, 11, 8, 2, tzinfo=UTC)
VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO schema_version VALUES (1);
CREATE TABLE releases (release_id VARCHAR(64) NOT NULL PRIMARY KEY, use_case VARCHAR(64) NOT NULL,
  created_at VARCHAR(40) NOT NULL, payload JSON NOT NULL);
CREATE TABLE release_states (id INTEGER NOT NULL PRIMARY KEY, release_id VARCHAR(64) NOT NULL,
  state VARCHAR(16) NOT NULL, reason TEXT NOT NULL, actor VARCHAR(128) NOT NULL, recorded_at VARCHAR(40) NOT NULL);
CREATE TABLE pointers (use_case VARCHAR(64) NOT NULL PRIMARY KEY, release_id VARCHAR(64) NOT NULL,
  generation INTEGER NOT NULL);
INSERT INTO releases VALUES ('a', 'fraud', '2026-11-01T00:00:00+00:00', '{}'),
  ('b', 'fraud', '2026-11-02T00:00:00+00:00', '{}'),
  ('x', 'bike', '2026-11-02T00:00:00+00:00', '{}');
INSERT INTO release_states (release_id, state, reason, actor, recorded_at) VALUES
  ('a', 'champion', 'first', 'ann', '2026-11-01T00:00:00+00:00'),
  ('x', 'champion', 'x', 'ann', '2026-11-01T00:00:00+00:00'),
  ('a', 'retired', 'second', 'ann', '2026-11-02T00:00:00+00:00'),
  ('b', 'champion', 'second', 'ann', '2026-11-02T00:00:00+00:00');
INSERT INTO pointers VALUES ('fraud', 'b', 2), ('bike', 'x', 1);
"""  # noqa: E501


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1)
    return path


def test_an_older_home_is_brought_forward_with_its_history(path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        ledger = [*pool.map(lambda _: Ledger(f"sqlite:///{path}", "fraud"), range(4))].pop()
    assert ledger.champion() == Pointer(release_id="b", generation=2)
    moves = [(m.generation, m.kind, m.champion, m.reason, m.actor) for m in ledger.moves()]
    assert moves == [(1, "promote", "a", "first", "ann"), (2, "promote", "b", "second", "ann")]
    assert [m.champion for m in Ledger(ledger.url, "bike").moves()] == ["x"]
    moved = ledger.move_champion("a", expected=ledger.champion(), reason="back", actor="ann", at=AT)
    assert moved.generation == 3


@pytest.mark.guarantee(
    "the k-th operation fails",
    fault="a change of the ledger's layout fails in its middle",
    seen="the old layout; the next opening brings it forward",
)
def test_a_failed_change_of_layout_leaves_the_old_one(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE release_states RENAME COLUMN actor TO who")
    with pytest.raises(Exception, match="actor"):
        Ledger(f"sqlite:///{path}", "fraud")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
        names = {
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        columns = [row[1] for row in connection.execute("PRAGMA table_info(pointers)")]
        assert "moves" not in names
        assert columns == ["use_case", "release_id", "generation"]
        connection.execute("ALTER TABLE release_states RENAME COLUMN who TO actor")
    assert len(Ledger(f"sqlite:///{path}", "fraud").moves()) == 2


def test_a_newer_ledger_is_refused_and_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION + 1}")
        connection.execute("DROP TABLE pointers")
    before = path.read_bytes()
    with pytest.raises(
        ConfigurationError, match="newer version of Tollgate; nothing in it was read or changed"
    ) as caught:
        Ledger(f"sqlite:///{path}", "fraud")
    assert caught.value.found == f"version {SCHEMA_VERSION + 1}"
    assert path.read_bytes() == before
