"""A copy of a run's ledger: what a test moves there, the other tests of its file do not see."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pipelines.run import Run


def on_ledger_copy(run: Run, folder: Path) -> Run:
    """The same run, on a copy (in a new file of the folder) of its ledger, which is a SQLite
    file.
    """
    copy = folder / "copy-of-ledger.sqlite"
    path = run.settings.ledger.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return replace(run, settings=run.settings.model_copy(update={"ledger": f"sqlite:///{copy}"}))
