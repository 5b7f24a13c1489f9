"""Requests that arrive together are scored together; none waits beyond its deadline, nor beyond the
queue's bound.

A batch takes what is waiting when the engine is free. Where the engine was busy a moment ago, a
batch waits a little for more: those just answered ask again, and once as many are back it goes.
Where it was idle, it does not wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import numpy as np

from features.kernel import Events
from features.schema import EventSchema
from pipelines.serve.engine.engine_thread import EngineThread
from pipelines.serve.predictions import Engine, Predictions
from pipelines.serve.refusals import RefusalError
from pipelines.serve.score_request import Rows, Share, events

LOGGER = logging.getLogger(__name__)
AGAIN = ((b"retry-after", b"1"),)


class Seen(Protocol):
    """Whoever counts: seconds in the queue of each request, seconds and rows of each batch."""

    def queued(self, seconds: float) -> None: ...

    def scored(self, seconds: float, rows: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """`wait` and `deadline` in seconds; `batch_rows` of one batch, `queue_rows` of all that is not
    answered yet.
    """

    wait: float
    deadline: float
    batch_rows: int
    queue_rows: int


@dataclass(slots=True)
class _Waiting:
    rows: Rows
    explained: bool
    arrived: float
    future: asyncio.Future[Share]


class Batcher:
    """Stands between the event loop and the engine; every method belongs to the loop's thread."""

    def __init__(
        self, engine: Engine, thread: EngineThread, schema: EventSchema, bounds: Bounds, seen: Seen
    ) -> None:
        self.engine, self.thread, self.schema, self.bounds, self.seen = (
            engine,
            thread,
            schema,
            bounds,
            seen,
        )
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._open: deque[_Waiting] = deque()
        self._began: float | None = None
        self._ended = 0.0
        self._planned: asyncio.Handle | None = None
        self._last = 0
        self._watch: asyncio.TimerHandle | None = None
        self.rows = 0

    @property
    def stuck(self) -> bool:
        """Whether the engine has been at one batch for longer than the deadline."""
        return self._began is not None and perf_counter() - self._began > self.bounds.deadline

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being scored."""
        return self._began is None and not self._waiting

    def ask(self, rows: Rows, *, explained: bool) -> asyncio.Future[Share]:
        """The answers to some rows, at the latest when their deadline passes; raises `RefusalError`
        (429) when full.
        """
        if self.rows + len(rows) > self.bounds.queue_rows:
            raise overloaded()
        request = _Waiting(rows, explained, perf_counter(), self._loop.create_future())
        if self.stuck:
            self._fall_back([request], "the scorer is at an earlier batch for too long")
            return request.future
        self.rows += len(rows)
        self._waiting.append(request)
        self._open.append(request)
        if self._watch is None:
            self._watch = self._loop.call_later(self.bounds.deadline, self._pass_deadlines)
        self._arrange()
        return request.future

    def _arrange(self) -> None:
        """See to it that what waits is dispatched: at once, or when the wait is over."""
        if self._began is not None or not self._waiting:
            return
        now = perf_counter()
        left = self._waiting[0].arrived + self.bounds.wait - now
        alone = now - self._ended > self.bounds.wait
        if (
            left <= 0
            or alone
            or len(self._waiting) >= self._last
            or self.rows >= self.bounds.batch_rows
        ):
            if self._planned is not None:
                self._planned.cancel()
            self._planned = self._loop.call_soon(self._dispatch)
        elif self._planned is None:
            self._planned = self._loop.call_later(left, self._dispatch)

    def _dispatch(self) -> None:
        self._planned = None
        if self._began is not None:
            return
        batch = self._taken()
        if not batch:
            return
        self._last = len(batch)
        now = self._began = perf_counter()
        for request in batch:
            self.seen.queued(now - request.arrived)
        rows, explained = _together(batch, self.schema)
        done = self.thread.begin(lambda: self.engine.score(rows, explained))
        done.add_done_callback(lambda future: self._finish(batch, future))

    def _taken(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting and (
            not batch or rows + len(self._waiting[0].rows) <= self.bounds.batch_rows
        ):
            request = self._waiting.popleft()
            if not request.future.done():
                batch.append(request)
                rows += len(request.rows)
        return batch

    def _finish(self, batch: list[_Waiting], future: asyncio.Future[Predictions]) -> None:
        now = perf_counter()
        rows = sum(len(request.rows) for request in batch)
        self.seen.scored(now - (self._began or now), rows)
        self._began, self._ended = None, now
        unanswered_requests = [request for request in batch if not request.future.done()]
        error = future.exception()
        if error is None:
            _share(batch, future.result())
            self.rows -= sum(len(request.rows) for request in unanswered_requests)
        else:
            LOGGER.error("the engine failed", exc_info=error)
            self._settle(unanswered_requests, f"the engine failed: {type(error).__name__}")
        while self._open and self._open[0].future.done():
            self._open.popleft()
        self._arrange()

    def _pass_deadlines(self) -> None:
        """Answer by the rule what has waited for too long, and look again when the next deadline
        passes.
        """
        late = perf_counter() - self.bounds.deadline
        expired = []
        while self._open and (self._open[0].future.done() or self._open[0].arrived <= late):
            request = self._open.popleft()
            if not request.future.done():
                expired.append(request)
        if expired:
            self._settle(expired, "the deadline has passed")
        self._watch = None
        if self._open:
            self._watch = self._loop.call_later(
                max(0.001, self._open[0].arrived - late), self._pass_deadlines
            )

    def _settle(self, requests: Sequence[_Waiting], reason: str) -> None:
        self.rows -= sum(len(request.rows) for request in requests)
        self._fall_back(requests, reason)

    def _fall_back(self, requests: Sequence[_Waiting], reason: str) -> None:
        if not requests:
            return
        rows, _ = _together(requests, self.schema)
        try:
            _share(requests, self.engine.fall_back(rows, reason))
        except Exception:
            LOGGER.exception("the declared rule failed")
            for request in requests:
                request.future.set_exception(unanswered())


def _together(
    batch: Sequence[_Waiting], schema: EventSchema
) -> tuple[Events, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    tables = [request.rows for request in batch]
    rows = events(tables[0] if len(tables) == 1 else np.concatenate(tables), schema)
    if not any(request.explained for request in batch):
        return rows, np.zeros(len(rows), dtype=np.bool_)
    return rows, np.repeat(
        [request.explained for request in batch], [len(table) for table in tables]
    )


def _share(batch: Sequence[_Waiting], predictions: Predictions) -> None:
    first = 0
    for request in batch:
        past = first + len(request.rows)
        if not request.future.done():
            request.future.set_result(Share(predictions, first, past))
        first = past


def unanswered() -> RefusalError:
    """What a request is answered with where not even the declared rule answers."""
    return RefusalError(
        "nothing answers here", status=503, kind="unavailable", next_step="ask again", headers=AGAIN
    )


def overloaded() -> RefusalError:
    """What a request is answered with while the queue is full."""
    return RefusalError(
        "more requests than can be answered in time",
        status=429,
        kind="overloaded",
        expected="a queue with room",
        next_step="ask again after the seconds that Retry-After names",
        headers=AGAIN,
    )
