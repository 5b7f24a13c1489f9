"""What a person is told to do goes by what the disk or the database says, not by the most usual
cause.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from pipelines.base.atomic_files import disk_remedy
from pipelines.ledger.remedies import remedy


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EACCES, "let this user write"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "bring the folder back"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "look at the disk"),
    ],
)
def test_a_full_disk_a_forbidden_and_a_lost_folder_are_told_apart(number: int, words: str) -> None:
    assert words in disk_remedy(OSError(number, "failed"))


def test_sqlite_s_own_words_lead_to_what_helps(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "base", isolation_level=None)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    other = sqlite3.connect(tmp_path / "base", timeout=0)
    with pytest.raises(sqlite3.OperationalError) as locked:
        other.execute("INSERT INTO t VALUES (1)")
    assert "another process is writing" in remedy(str(locked.value))
    holder.close()
    other.close()
    with pytest.raises(sqlite3.OperationalError) as gone:
        sqlite3.connect(tmp_path / "no folder" / "base")
    assert "folder or server is there" in remedy(str(gone.value))
    read_only = sqlite3.connect(f"file:{tmp_path / 'base'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as refused:
        read_only.execute("INSERT INTO t VALUES (1)")
    assert "let this user write" in remedy(str(refused.value))
    read_only.close()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            'connection failed: FATAL:  password authentication failed for user "ledger"',
            "user and password",
        ),
        ("FATAL:  sorry, too many clients already", "let the server take more"),
        ('could not translate host name "postgre" to address', "correct the host"),
        ("connection refused", "server is there"),
        ("database or disk is full", "make room"),
    ],
)
def test_postgresql_s_words_too(message: str, words: str) -> None:
    assert words in remedy(message)
