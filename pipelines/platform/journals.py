"""Which journal the settings choose: files for the workers of one machine, Redis for several machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.platform.journal import KEYS, Journal
from pipelines.platform.journal_files import FileJournal
from pipelines.platform.journal_redis import RedisJournal
from pipelines.platform.online_address import OnlineAddress
from pipelines.platform.settings import Settings


def open_journal(settings: Settings, use_case: str, entities: Sequence[str]) -> Journal:
    """A new reader and writer of the journal of a use case whose events belong to those entities.

    Raises `ConfigurationError` for an address that cannot be used, `StoreError` where the folder cannot.
    """
    width, address = KEYS + len(entities), settings.serve_journal
    if address is None:
        return FileJournal(journal_folder(settings.home, use_case), width)
    import redis

    options = OnlineAddress(address, "").redis_options("the scorer's journal", "TOLLGATE_SERVE_JOURNAL")
    return RedisJournal(redis.Redis(**options), f"tollgate:{use_case}:journal", width, where=address)


def journal_folder(home: Path, use_case: str) -> Path:
    """Where a home keeps a use case's journal."""
    return home / "serving" / "journal" / use_case
