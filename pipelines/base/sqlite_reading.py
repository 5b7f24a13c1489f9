"""An SQLite file opened to be read only, also where the reader may not write into its folder.

A database in WAL mode wants to write beside itself even to be read: where that is refused, one that
was closed well is read as it lies there, and one that was not from a copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

PATIENCE = 30.0
"""Seconds to wait for a writer."""


def open_for_reading(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    """A connection that can only read; raises `sqlite3.Error` where the file cannot be read, or is
    damaged.
    """
    try:
        return _opened(path, "mode=ro", check_same_thread)
    except sqlite3.OperationalError:
        if may_write(path):
            raise
    written = path.with_name(f"{path.name}-wal")
    if not written.exists() or not written.stat().st_size:
        return _opened(path, "mode=ro&immutable=1", check_same_thread)
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / path.name
        for each in (written, path):
            shutil.copy(each, copy.with_name(each.name))
        whole = sqlite3.connect(":memory:", check_same_thread=check_same_thread)
        source = sqlite3.connect(copy)
        try:
            source.backup(whole)
        finally:
            source.close()
    return whole


def may_write(path: Path) -> bool:
    """Whether this user may write to the file and beside it (a disk that is mounted to be read only
    counts).
    """
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _opened(path: Path, how: str, check_same_thread: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=PATIENCE,
        check_same_thread=check_same_thread,
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
