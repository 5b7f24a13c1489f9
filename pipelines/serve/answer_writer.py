"""Answers on their way to the log: gathered by the answering thread, written by another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.definition import EventSchema
from features.kernel import Events
from pipelines.platform.answer_log import SALT, AnswerLog
from pipelines.platform.errors import TollgateError
from pipelines.release.canary import in_canary
from pipelines.serve.answers import Answers

if TYPE_CHECKING:
    import pyarrow as pa

LOGGER = logging.getLogger(__name__)
WRITE_EVERY = 0.2
"""Seconds between two writes: what a killed process may lose of its log (never of its states)."""

MOST_WAITING = 200_000
"""Rows that wait for a slow disk; beyond it answers go out unlogged, and are counted."""


@dataclass(frozen=True)
class Logged:
    """A batch as it goes to the log. `champion` and `challenger` are release ids ("" without one)."""

    requests: Events
    answers: Answers
    champion: str
    challenger: str
    challenger_scores: NDArray[np.float64] | None
    at: datetime


class AnswerWriter:
    """Takes batches from one thread and writes them in another; `share` of the units (by hash of `unit`) are logged."""

    def __init__(self, log: AnswerLog, schema: EventSchema, unit: str, *, share: float = 1.0) -> None:
        self._log = log
        self._schema = schema
        self._unit = next(entity.name for entity in schema.entities if entity.key == unit)
        self._share = share
        self._waiting: SimpleQueue[Logged] = SimpleQueue()
        self._rows = 0
        self._ended = threading.Event()
        self.unlogged = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def put(self, logged: Logged) -> None:
        """Log a batch, soon; at once returns."""
        if self._rows > MOST_WAITING:
            self.unlogged += len(logged.answers)
            return
        self._rows += len(logged.answers)
        self._waiting.put(logged)

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
        try:
            while True:
                batches.append(self._waiting.get_nowait())
        except Empty:
            pass
        self._rows -= sum(len(batch.answers) for batch in batches)
        for alike in _runs(batches):
            rows = sum(len(batch.answers) for batch in alike)
            self._guarded(partial(self._append, alike), rows)

    def _append(self, alike: list[Logged]) -> None:
        table = _table(alike, self._schema)
        if self._share < 1:
            keys = np.concatenate([batch.requests.keys[self._unit] for batch in alike])
            table = table.filter(in_canary(keys, SALT, self._share))
        for batch in table.combine_chunks().to_batches():
            self._log.append(batch, alike[-1].at)

    def _guarded(self, work: Callable[[], None], rows: int) -> None:
        try:
            work()
            self.problem = ""
        except TollgateError as error:
            self.unlogged += rows
            self.problem = str(error)
            LOGGER.warning("answers are not logged: %s", error)


def _runs(batches: list[Logged]) -> list[list[Logged]]:
    """Batches that go into one table: of the same releases, in the same hour."""
    found: list[list[Logged]] = []
    for batch in batches:
        last = found[-1][-1] if found else None
        alike = (
            last is not None
            and last.answers.names == batch.answers.names
            and last.answers.deciders is batch.answers.deciders
            and (last.at.date(), last.at.hour) == (batch.at.date(), batch.at.hour)
        )
        if alike:
            found[-1].append(batch)
        else:
            found.append([batch])
    return found


def _table(batches: list[Logged], schema: EventSchema) -> pa.Table:
    """Columns: event id, time, entity keys, `cents`; score, decision, release, model_version, fallback, reason, flags;
    champion, challenger, challenger_score; answered_at; and the champion's features, DOUBLE, as `feature.<name>`.
    """
    import pyarrow as pa

    first = batches[0]

    def joined(pick: Callable[[Logged], NDArray[np.generic]]) -> NDArray[np.generic]:
        return np.concatenate([pick(batch) for batch in batches])

    place = joined(lambda batch: batch.answers.decided_by)
    rows = len(place)
    deciders = first.answers.deciders

    def told(pick: Callable[[int], str | bool], kind: pa.DataType) -> pa.Array:
        return pa.array([pick(number) for number in range(len(deciders))], kind).take(pa.array(place))

    challenger = [batch.challenger_scores for batch in batches]
    stamps = np.repeat(
        np.array([batch.at.astimezone(UTC).replace(tzinfo=None) for batch in batches], dtype="datetime64[us]"),
        [len(batch.answers) for batch in batches],
    )
    columns: dict[str, pa.Array] = {
        schema.id: pa.array(joined(lambda batch: batch.requests.id)),
        schema.time: pa.array(joined(lambda batch: batch.requests.time)).view(pa.timestamp("us", "UTC")),
        **{
            entity.key: pa.array(np.concatenate([batch.requests.keys[entity.name] for batch in batches]))
            for entity in schema.entities
        },
        "cents": pa.array(joined(lambda batch: batch.requests.cents)),
        "score": pa.array(joined(lambda batch: batch.answers.scores)),
        "decision": pa.array(joined(lambda batch: batch.answers.decisions)),
        "release": told(lambda number: deciders[number].release_id, pa.string()),
        "model_version": told(lambda number: deciders[number].model_version, pa.string()),
        "fallback": told(lambda number: deciders[number].fallback, pa.bool_()),
        "reason": told(lambda number: deciders[number].reason, pa.string()),
        "flags": pa.array(joined(lambda batch: batch.answers.flags)),
        "champion": pa.repeat(pa.scalar(first.champion, pa.string()), rows),
        "challenger": pa.repeat(pa.scalar(first.challenger or None, pa.string()), rows),
        "challenger_score": pa.array(
            np.concatenate([scores for scores in challenger if scores is not None])
            if all(scores is not None for scores in challenger)
            else [None] * rows,
            pa.float64(),
        ),
        "answered_at": pa.array(stamps).cast(pa.timestamp("us", "UTC")),
    }
    matrix = np.concatenate([batch.answers.features for batch in batches])
    for number, name in enumerate(first.answers.names):
        columns[f"feature.{name}"] = pa.array(np.ascontiguousarray(matrix[:, number]))
    return pa.table(columns)
