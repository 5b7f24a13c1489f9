"""Which journal the settings choose: files for the workers of one machine, Redis for several machines."""

from __future__ import annotations

from features.state import entities_with_state
from pipelines.platform.online_address import OnlineAddress
from pipelines.run import Run
from pipelines.serve.journal import KEYS, FileJournal, Journal
from pipelines.serve.redis_journal import RedisJournal


def open_journal(run: Run) -> Journal:
    """A new reader and writer of the use case's journal; raises `ConfigurationError` for an address it cannot use."""
    width = KEYS + len(entities_with_state(run.use_case.stored_features))
    address = run.settings.serve_journal
    if address is None:
        return FileJournal(run.settings.home / "serving" / "journal" / run.use_case.name, width)
    import redis

    options = OnlineAddress(address, "").redis_options("the scorer's journal", "TOLLGATE_SERVE_JOURNAL")
    return RedisJournal(redis.Redis(**options), f"tollgate:{run.use_case.name}:journal", width, where=address)
