"""The stream as it was taken in: every event and report since the last rebuild, shared by all who
serve.

A worker reads what the others wrote before it answers, and writes its own before its answer leaves:
what one has answered, the next one sees, whichever of them takes it. After a crash the states are
the nightly rebuild and this. `pipelines.journal.files` is for the workers of one machine,
`journal_redis` for several.

A journal knows itself: a stream has an identity, made when it is made, and every reader a position
in it. A stream that lost records, was emptied, cut off or exchanged is noticed by the next who
reads or writes: he begins a new stream (or joins the one that another has begun), reads what is
there, and counts a loss. What he alone knows is for his caller to write again; doing so twice does
no harm.

A record is int64 numbers: `EVENT` or `REPORT` (`ERASED`: nothing), when it came in, the event's id,
its time or the report's (all in µs since 1970 UTC), the amount (cents; 0 in a report), and the
event's entity keys in the schema's order (0 in a report).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from features.kernel import NEVER, Events
from pipelines.base.errors import StoreError

EVENT, REPORT, ERASED = 0, 1, 2
KIND, ARRIVED, ID, TIME, CENTS, KEYS = range(6)
"""Columns of a record; the keys go on from the last."""

RUNBOOK = "docs/runbooks/serving.md"


Chosen = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Which of some records (n, width)."""


class Journal(ABC):
    """Records of whole batches in one order, the same for all readers; each reader has a place of
    its own.

    `stream` is the identity of what is read (hex; nothing before the first look), `previous` that
    of the stream which it replaced, if any. `losses` counts the losses that this reader has
    noticed, `why` tells of the newest.
    """

    stream: str = ""
    previous: str = ""
    losses: int = 0
    why: str = ""

    @abstractmethod
    def append(self, records: NDArray[np.int64]) -> None:
        """Write records (n, width) together; raises `StoreError` where they are not kept, and then
        none is.

        So it does where the stream was lost: the next `news` finds its way.
        """

    @abstractmethod
    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call (this reader's own records are left out); all of it
        at first.

        Where `losses` has grown, it is all that the stream holds now, whoever wrote it. Raises
        `StoreError`.
        """

    @abstractmethod
    def forget(self, before: int) -> None:
        """Let go what came in before that instant (µs), and is of an instant before it: a night's
        rebuild holds it.
        """

    @abstractmethod
    def erase(self, chosen: Chosen) -> int:
        """Make the records that `chosen` marks nothing, for all readers to come; returns how many
        there were.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of files or connections."""


def event_records(events: Events, entities: Sequence[str], arrived: int) -> NDArray[np.int64]:
    """Events as records; `entities` names their keys in the schema's order, `arrived` is in µs."""
    records = np.empty((len(events), KEYS + len(entities)), dtype=np.int64)
    records[:, KIND], records[:, ARRIVED] = EVENT, arrived
    records[:, ID], records[:, TIME], records[:, CENTS] = events.id, events.time, events.cents
    for place, name in enumerate(entities):
        records[:, KEYS + place] = events.keys[name]
    return records


def report_records(
    ids: NDArray[np.int64], reported_at: NDArray[np.int64], entities: Sequence[str], arrived: int
) -> NDArray[np.int64]:
    """Reports as records."""
    records = np.zeros((len(ids), KEYS + len(entities)), dtype=np.int64)
    records[:, KIND], records[:, ARRIVED] = REPORT, arrived
    records[:, ID], records[:, TIME] = ids, reported_at
    return records


def events_of(records: NDArray[np.int64], entities: Sequence[str]) -> Events:
    """The events among the records, in their order."""
    kept = records[records[:, KIND] == EVENT]
    return Events(
        id=kept[:, ID].copy(),
        time=kept[:, TIME].copy(),
        cents=kept[:, CENTS].copy(),
        reported=np.full(len(kept), NEVER),
        keys={name: kept[:, KEYS + place].copy() for place, name in enumerate(entities)},
    )


def lost_stream(where: str, why: str) -> StoreError:
    """The error of a write into a stream that is not there any more."""
    return StoreError(
        "the journal was lost; the records go with the next batch",
        where=where,
        expected="the stream that was read before",
        found=why,
        next_step="none: what is known here is written again at once",
        runbook=RUNBOOK,
    )
