"""What a process knows of the journal: to write it again where the journal was lost, and to say
whether it is all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.journal import JournalAccount
from pipelines.journal.journal import Journal
from pipelines.run import Run

FIRST_ROOM = 1024
"""Records for which there is room before any came."""


class KnownRecords:
    """Records (n, width) in the order in which they became known; for one thread."""

    def __init__(self, width: int) -> None:
        self._rows = np.empty((FIRST_ROOM, width), dtype=np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, records: NDArray[np.int64]) -> None:
        """Keep records; the room doubles when it is full."""
        past = self._count + len(records)
        if past > len(self._rows):
            larger = np.empty((max(past, 2 * len(self._rows)), self._rows.shape[1]), dtype=np.int64)
            larger[: self._count] = self._rows[: self._count]
            self._rows = larger
        self._rows[self._count : past] = records
        self._count = past

    def rows(self) -> NDArray[np.int64]:
        """All of them."""
        return self._rows[: self._count]

    def lacking(self, records: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those known here that are not among `records`, each once, in their order."""
        rows = self.rows()
        there = set(map(bytes, np.ascontiguousarray(records)))
        kept = []
        for place, row in enumerate(map(bytes, np.ascontiguousarray(rows))):
            if row not in there:
                there.add(row)
                kept.append(place)
        return rows[kept]


@dataclass(frozen=True, kw_only=True)
class BegunStream:
    """The newest stream that the ledger knows to have begun: at `at`, `whole` where nobody's
    knowledge was lost.
    """

    stream: str
    whole: bool
    at: datetime


def newest_stream(run: Run) -> BegunStream | None:
    """What the ledger says, None before the first; raises `StoreError`."""
    records = [
        record
        for record in run.ledger.stage_records(JournalAccount)
        if record.account.stream is not None
    ]
    if not records:
        return None
    newest = records[-1].account
    return BegunStream(stream=newest.stream or "", whole=newest.whole, at=records[-1].recorded_at)


def record_stream(run: Run, journal: Journal, *, whole: bool) -> None:
    """Let the ledger know that a stream began; raises `StoreError`."""
    now = run.clock()
    account = JournalAccount(
        stream=journal.stream, previous=journal.previous, whole=whole, why=journal.why
    )
    run.ledger.record_stage(now.date(), account, "done", run_id=run.run_id, at=now)


def is_whole(run: Run, journal: Journal, built_at: datetime | None) -> bool:
    """Whether a newcomer that has read the stream knows all that was taken in since its night was
    built.

    The stream must be the one that the ledger knows, or have replaced that one by the hand of a
    process that knew it. A stream that began with a loss is whole again for states that were built
    after it. Where the ledger does not know the stream yet it is told. Raises `StoreError`.
    """
    if not journal.stream:
        return False
    recorded = newest_stream(run)
    if recorded is None or recorded.stream == journal.stream:
        if recorded is None or (journal.losses and recorded.whole):
            record_stream(run, journal, whole=not journal.losses)
        whole = not journal.losses and (recorded is None or recorded.whole)
    else:
        whole = journal.previous == recorded.stream and not journal.losses
        record_stream(run, journal, whole=whole)
    lost_at = (
        recorded.at
        if recorded is not None and recorded.stream == journal.stream and not recorded.whole
        else None
    )
    return whole or (
        lost_at is not None and built_at is not None and built_at > lost_at and not journal.losses
    )
