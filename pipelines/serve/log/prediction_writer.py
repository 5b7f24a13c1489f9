"""Answers on their way to the log: gathered by the answering thread, written by another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import numpy as np

from features.definition import EventSchema
from pipelines.base.errors import TollgateError
from pipelines.prediction_log.writer import SALT, PredictionLog
from pipelines.releases.canary import in_canary
from pipelines.serve.log.prediction_table import Logged, prediction_table

LOGGER = logging.getLogger(__name__)
WRITE_EVERY = 0.05
"""Seconds between two writes: what a killed process may lose of its log (never of its states)."""

MOST_WAITING = 200_000
"""Rows that wait for a slow disk; beyond it answers go out unlogged, and are counted."""


class PredictionWriter:
    """Takes batches from one thread and writes them in another; `share` of the units (by hash of
    `unit`) are logged.
    """

    def __init__(
        self, log: PredictionLog, schema: EventSchema, unit: str, *, share: float = 1.0
    ) -> None:
        self._log = log
        self._schema = schema
        self._unit = next(entity.name for entity in schema.entities if entity.key == unit)
        self._share = share
        self._queue: SimpleQueue[Logged] = SimpleQueue()
        self._put = self._taken = self._refused = self._failed = (
            0  # rows; each is counted by one thread alone
        )
        self._ended = threading.Event()
        self.problem = ""
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait to be written."""
        return self._put - self._taken

    @property
    def unlogged(self) -> int:
        """Rows that were answered and are in no log: too many waited, or the log took none."""
        return self._refused + self._failed

    def put(self, logged: Logged) -> None:
        """Log a batch, soon; at once returns."""
        if self.waiting > MOST_WAITING:
            self._refused += len(logged.predictions)
            return
        self._put += len(logged.predictions)
        self._queue.put(logged)

    def close(self) -> None:
        """Write what is waiting, and end."""
        self._ended.set()
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while not self._ended.wait(WRITE_EVERY):
            self._write()
        self._write()
        self._guarded(self._log.close, 0)

    def _write(self) -> None:
        batches: list[Logged] = []
        while not self._queue.empty():  # nobody else takes from it
            batches.append(self._queue.get_nowait())
        self._taken += sum(len(batch.predictions) for batch in batches)
        for alike in _runs(batches):
            rows = sum(len(batch.predictions) for batch in alike)
            self._guarded(partial(self._append, alike), rows)

    def _append(self, alike: list[Logged]) -> None:
        table = prediction_table(alike, self._schema)
        if self._share < 1:
            keys = np.concatenate([batch.requests.keys[self._unit] for batch in alike])
            table = table.filter(in_canary(keys, SALT, self._share))
        for batch in table.combine_chunks().to_batches():
            self._log.append(batch, alike[-1].at)

    def _guarded(self, work: Callable[[], None], rows: int) -> None:
        try:
            work()
            self.problem = ""
        except Exception as error:  # a writer that dies would log nothing more, unseen
            self._failed += rows
            ours = isinstance(error, TollgateError)
            self.problem = str(error) if ours else f"{type(error).__name__}: {error}"
            LOGGER.warning("answers are not logged: %s", self.problem, exc_info=not ours)


def _runs(batches: list[Logged]) -> list[list[Logged]]:
    """Batches that go into one table."""
    runs: list[list[Logged]] = []
    for batch in batches:
        if runs and runs[-1][-1].alike(batch):
            runs[-1].append(batch)
        else:
            runs.append([batch])
    return runs
