"""The stream as it was taken in: every event and report since the last rebuild, shared by all who serve.

A worker reads what the others wrote before it answers, and writes its own before its answer leaves: what one has
answered, the next one sees, whichever of them takes it. After a crash the states are the nightly rebuild and this.
`pipelines.platform.journal_files` is for the workers of one machine, `journal_redis` for several.

A record is int64 numbers: `EVENT` or `REPORT` (`ERASED`: nothing), when it came in, the event's id, its time or the
report's (all in µs since 1970 UTC), the amount (cents; 0 in a report), and the event's entity keys in the schema's
order (0 in a report).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from features.kernel import NEVER, Events

EVENT, REPORT, ERASED = 0, 1, 2
KIND, ARRIVED, ID, TIME, CENTS, KEYS = range(6)
"""Columns of a record; the keys go on from the last."""

RUNBOOK = "docs/runbooks/serving.md"


Chosen = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Which of some records (n, width)."""


class Journal(ABC):
    """Records of whole batches in one order, the same for all readers; each reader has a place of its own."""

    @abstractmethod
    def append(self, records: NDArray[np.int64]) -> None:
        """Write records (n, width) together; raises `StoreError` where they are not kept, and then none is."""

    @abstractmethod
    def news(self) -> NDArray[np.int64]:
        """What others wrote since the last call (this reader's own records are left out); all of it at first."""

    @abstractmethod
    def forget(self, before: int) -> None:
        """Let go what came in before that instant (µs), and is of an instant before it: a night's rebuild holds it."""

    @abstractmethod
    def erase(self, chosen: Chosen) -> int:
        """Make the records that `chosen` marks nothing, for all readers to come; returns how many there were."""

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
