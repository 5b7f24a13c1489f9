"""States of many entities as columns: how they come out of a lake or a store, on their way into an
arena.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.state import EntityState
from features.timeline import Ints


@dataclass(frozen=True)
class StatesTable:
    """States of many entities as columns: event j of entity i is at `offsets[i] + j`, in the order
    (time, id).

    `keys` int64 (n), `offsets` int64 (n + 1); times in µs, amounts in cents; columns that are not
    kept may be empty.
    """

    keys: Ints
    offsets: Ints
    ids: Ints
    times: Ints
    cents: Ints
    reported: Ints

    @classmethod
    def of(cls, states: Sequence[tuple[int, EntityState]]) -> StatesTable:
        """Keys and their states as one table."""
        each = [state for _, state in states]

        def joined(name: str) -> Ints:
            return (
                np.concatenate([getattr(state, name) for state in each])
                if each
                else np.empty(0, dtype=np.int64)
            )

        return cls(
            keys=np.array([key for key, _ in states], dtype=np.int64),
            offsets=np.cumsum([0, *map(len, each)], dtype=np.int64),
            ids=joined("event_ids"),
            times=joined("event_times"),
            cents=joined("amounts"),
            reported=joined("reported_at"),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def taken(self, which: NDArray[np.intp]) -> StatesTable:
        """The states of those entities."""
        lengths = np.diff(self.offsets)[which]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        cells = np.repeat(self.offsets[which] - offsets[:-1], lengths) + np.arange(offsets[-1])
        columns = (self.ids, self.times, self.cents, self.reported)
        kept = [column[cells] if len(column) == len(self.ids) else column for column in columns]
        return StatesTable(self.keys[which], offsets, *kept)
