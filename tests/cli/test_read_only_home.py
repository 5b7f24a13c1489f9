"""A home that may only be read: what reads works, what writes ends in one block."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.run import Run
from pipelines.usecases.fraud import USE_CASE
from tests.cli.test_undo import LINEAGE
from tests.pipelines.releases.bundles import stored_release

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
Typed = Callable[..., tuple[int, str, str]]
READS = "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"
"""Root's tests run in folders that nobody else may enter: the reader may read everything, and write
nothing.
"""


@pytest.fixture
def home(settings: Settings) -> Iterator[Path]:
    """A home with a champion; its folders and files may be read by all, written by their owner (if
    that is root).
    """
    run = Run(settings, USE_CASE, actor="test", clock=lambda: AT)
    made = stored_release(run, 1, "approved", more=LINEAGE).release_id
    run.ledger.move_champion(made, expected=None, reason="first", actor="test", at=AT)
    run.ledger._engine.dispose()
    every = [settings.home, *settings.home.rglob("*")]
    for path in every:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield settings.home
    for path in every:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def typed(home: Path) -> Typed:
    """A command typed by somebody who may only read: exit code, standard output and standard
    error.
    """
    become: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root's own rights cannot be given up here (util-linux: setpriv)")
        become = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", *READS]

    def type_it(*arguments: str) -> tuple[int, str, str]:
        command = [
            *become,
            sys.executable,
            "-c",
            "from pipelines.cli.main import main; main()",
            *arguments,
        ]
        environment = {
            **os.environ,
            "TOLLGATE_HOME": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "250",
        }
        done = subprocess.run(
            command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    return type_it


@pytest.mark.slow
def test_what_reads_the_ledger_works(typed: Typed, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    for arguments in (
        ("status",),
        ("which",),
        ("releases",),
        ("oncall",),
        ("report", "--out", str(elsewhere / "report.html")),
        ("ledger", "backup", "--to", str(elsewhere / "ledger.gz")),
    ):
        code, out, err = typed(*arguments)
        assert code == 0, (arguments, out, err)
        assert "Traceback" not in err
    assert {path.name for path in elsewhere.iterdir()} == {"report.html", "ledger.gz"}


@pytest.mark.slow
def test_what_writes_ends_in_one_block(typed: Typed) -> None:
    for arguments in (
        ("serve",),
        ("serve", "keys", "add", "shop", "--role", "scorer"),
        ("fallback", "--on", "--reason", "x"),
        ("run", "ingest", "--from", "2026-11-01", "--to", "2026-11-01"),
    ):
        code, out, err = typed(*arguments)
        assert code == 1, (arguments, out, err)
        assert "Traceback" not in err, (arguments, err)
        assert err.startswith("error: "), (arguments, err)
        assert "next step:" in err


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["both", "log alone"])
def test_what_a_running_writer_has_not_put_into_the_file_yet_is_seen(
    home: Path, typed: Typed, beside: str
) -> None:
    ledger = home / "ledger.sqlite"
    for path in (home, ledger):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with closing(sqlite3.connect(ledger)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("UPDATE release_states SET reason = 'written a moment ago'")
        writer.commit()
        assert ledger.with_name("ledger.sqlite-wal").stat().st_size > 0
        if beside == "log alone":
            ledger.with_name("ledger.sqlite-shm").rename(home.parent / "shm")
        ledger.chmod(0o444)
        home.chmod(0o555)
        code, out, err = typed("which", "--json")
        home.chmod(0o755)
        ledger.chmod(0o644)
        if beside == "log alone":
            (home.parent / "shm").rename(ledger.with_name("ledger.sqlite-shm"))
    assert code == 0, err
    assert "written a moment ago" in out
