"""Which journal the settings choose: files for the workers of one machine, Redis for several
machines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pipelines.accounts.journal import JournalAccount
from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings
from pipelines.journal.files import FileJournal
from pipelines.journal.journal import KEYS, Journal
from pipelines.journal.redis_stream import RedisJournal
from pipelines.ledger.ledger import Ledger
from pipelines.online.address import OnlineAddress

STAGE = JournalAccount.STAGE
"""Stage under which the ledger knows a use case's journals: `key` of its installation, then each
stream that began.
"""


def open_journal(settings: Settings, use_case: str, entities: Sequence[str]) -> Journal:
    """A new reader and writer of the journal of a use case whose events belong to those entities.

    Raises `ConfigurationError` for an address that cannot be used, `StoreError` where the folder
    cannot.
    """
    width, address = KEYS + len(entities), settings.serve_journal
    if address is None:
        return FileJournal(journal_folder(settings.home, use_case), width)
    import redis

    options = OnlineAddress(address, "").redis_options(
        "the scorer's journal", "TOLLGATE_SERVE_JOURNAL"
    )
    key = f"tollgate:{use_case}:{installation(settings, use_case)}:journal"
    return RedisJournal(redis.Redis(**options), key, width, where=address)


def installation(settings: Settings, use_case: str) -> str:
    """Whose journal it is: all who share a ledger share it, and nobody else, whoever uses the same
    Redis.

    The home's own identity where the ledger is a file in the home, so that a copy that was made a
    home of its own has its own; else a number of chance that the ledger keeps, of several who made
    one the first. Raises `StoreError`.
    """
    named = _home_id(settings.home)
    if named and settings.ledger == f"sqlite:///{settings.home / 'ledger.sqlite'}":
        return named
    ledger = Ledger(settings.ledger, use_case)
    for _ in range(2):
        keys = [
            record.account.key
            for record in ledger.stage_records(JournalAccount)
            if record.account.key
        ]
        if keys:
            return str(keys[0])
        now = datetime.now(UTC)
        made = JournalAccount(key=uuid4().hex[:16])
        ledger.record_stage(now.date(), made, "begun", run_id=f"journal-{os.getpid()}", at=now)
    raise StoreError("the ledger does not keep what it was given", where=ledger.where)


def _home_id(home: Path) -> str:
    try:
        return str(json.loads((home / "home.json").read_text())["home_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def journal_folder(home: Path, use_case: str) -> Path:
    """Where a home keeps a use case's journal."""
    return home / "serving" / "journal" / use_case
