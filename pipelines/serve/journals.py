"""Which journal the settings choose: files for the workers of one machine, Redis for several machines."""

from __future__ import annotations

from features.state import entities_with_state
from pipelines.run import Run
from pipelines.serve.journal import KEYS, FileJournal, Journal


def open_journal(run: Run) -> Journal:
    """A new reader and writer of the use case's journal."""
    width = KEYS + len(entities_with_state(run.use_case.stored_features))
    return FileJournal(run.settings.home / "serving" / "journal" / run.use_case.name, width)
