"""What the ledger keeps of maintain: what became of each table, what was deleted for its age, where
the backup is.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.part import Part


class TableUpkeepAccount(Part):
    """Of a table: files that were `compacted`, `into` how many, and old files that were
    `removed`.
    """

    compacted: int = 0
    into: int = 0
    removed: int = 0


class UnreadFile(Part):
    """A file whose age could not be told: its path, and why."""

    path: str
    why: str


class DeletedByAge(Part):
    """What was deleted of a kind of thing: `before` is the first day that is kept, `version` that
    of a table.
    """

    before: date
    deleted: int
    version: int | None = None
    unread: tuple[UnreadFile, ...] = ()


class AirflowUpkeepAccount(Part):
    """Log files removed and their bytes; whether old rows were removed, and why not where that
    failed.
    """

    log_files: int = 0
    log_bytes: int = 0
    rows_cleaned: bool = False
    problem: str = ""


class MaintainAccount(Account):
    """A day's upkeep.

    `tables` and `deleted` are by name, `backup` is below the home, `ledger_rows` are in it.
    """

    STAGE: ClassVar[str] = "maintain"

    tables: dict[str, TableUpkeepAccount] = {}
    deleted: dict[str, DeletedByAge] = {}
    backup: str = ""
    ledger_rows: int = 0
    backups_dropped: tuple[str, ...] = ()
    airflow: AirflowUpkeepAccount | None = None
