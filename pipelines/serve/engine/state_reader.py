"""The online store, read beside the answering thread: it waits a little, never for a store that
hangs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from itertools import islice
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from features.states_table import StatesTable
from features.timeline import Ints
from pipelines.base.errors import TollgateError

LOGGER = logging.getLogger(__name__)
Tables = Sequence[tuple[str, StatesTable]]
Read = Callable[[Mapping[str, Sequence[int]]], Tables]

PATIENCE = 0.25
"""Seconds that a batch waits for its states; later they are there for the next one."""

AT_ONCE = 2_000
"""Keys of one read, besides those that are wanted at once."""

REST = 1.0
"""Seconds for which a store that failed is left alone."""


class StateReader:
    """Reads states by `read` in a thread of its own.

    `fetch`, `arrived` and `pending` are for one thread.

    A key that was asked for and not had is pending until its state has arrived.
    """

    def __init__(self, read: Read, *, patience: float = PATIENCE, rest: float = REST) -> None:
        self._read = read
        self._patience = patience
        self._rest = rest
        self._pending: dict[str, set[int]] = {}
        self._done: SimpleQueue[Tables] = SimpleQueue()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="states")
        self._running: Future[None] | None = None
        self._resting_until = 0.0
        self.problem = ""
        self.failures = 0
        self.reads = 0

    def pending(self, entity: str, keys: Ints) -> NDArray[np.bool_]:
        """Which of the keys were asked for and have not arrived."""
        waiting = self._pending.get(entity)
        if not waiting:
            return np.zeros(len(keys), dtype=np.bool_)
        return np.array([key in waiting for key in keys.tolist()], dtype=np.bool_)

    def fetch(self, keys: Mapping[str, Sequence[int]]) -> list[tuple[str, StatesTable]]:
        """Ask for states in one read for each kind of entity; what came within a moment, by the
        entity's name.
        """
        for entity, wanted in keys.items():
            self._pending.setdefault(entity, set()).update(wanted)
        if self._running is not None and not self._running.done():
            return self.arrived()
        if time.monotonic() < self._resting_until:
            return []
        self._running = self._pool.submit(
            self._work, {entity: self._next(entity, keys) for entity in self._pending}
        )
        try:
            self._running.result(self._patience)
        except NotYet:
            self.problem = f"the online store has not answered within {self._patience} s"
        return self.arrived()

    def arrived(self) -> list[tuple[str, StatesTable]]:
        """What has come since it was last asked."""
        arrived: list[tuple[str, StatesTable]] = []
        while True:
            try:
                tables = self._done.get_nowait()
            except Empty:
                return arrived
            for entity, table in tables:
                self._pending[entity].difference_update(table.keys.tolist())
                arrived.append((entity, table))

    def _next(self, entity: str, keys: Mapping[str, Sequence[int]]) -> list[int]:
        """What to read now: what this batch needs, and of what earlier ones missed as much as one
        read takes.
        """
        wanted = dict.fromkeys(keys.get(entity, ()))
        wanted.update(dict.fromkeys(islice(self._pending[entity], max(0, AT_ONCE - len(wanted)))))
        return list(wanted)

    def close(self) -> None:
        """Let the thread go; one that hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, keys: Mapping[str, Sequence[int]]) -> None:
        try:
            self._done.put(self._read(keys))
            self.reads += 1
            self.problem = ""
        except TollgateError as error:
            self.failures += 1
            self.problem = str(error)
            self._resting_until = time.monotonic() + self._rest
            LOGGER.warning("the online store does not answer: %s", error)
