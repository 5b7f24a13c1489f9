"""The engine's life in one process: opened while the door is open already, asked, drained,
closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.schema import EventSchema
from pipelines.base.openmetrics import Family
from pipelines.serve.engine.batching import AGAIN, Batcher, Bounds
from pipelines.serve.engine.engine_thread import EngineThread
from pipelines.serve.metrics.gauges import Gauges
from pipelines.serve.predictions import Engine, Readiness
from pipelines.serve.refusals import RefusalError

LOGGER = logging.getLogger(__name__)


class Lifetime:
    """Knows whether there is an engine, and whether it may be asked; all of it belongs to the event
    loop's thread.

    `notices` are told with the engine's problems, and hold nobody up.
    """

    def __init__(self, schema: EventSchema, bounds: Bounds, *, worker: int, shelf: Path) -> None:
        self.schema, self.bounds, self.worker, self.shelf = schema, bounds, worker, shelf
        self.gauges = Gauges()
        self.draining = False
        self.notices: tuple[str, ...] = ()
        self._thread = EngineThread()
        self._batcher: Batcher | None = None
        self._tending: asyncio.Future[None] | None = None

    async def open(self, opened: Callable[[], Engine]) -> None:
        """Open the engine in its thread; requests are told to come again until then.

        Raises what `opened` raises.
        """
        engine = await self._thread.begin(opened)
        self._batcher = Batcher(engine, self._thread, self.schema, self.bounds, self.gauges)

    def batcher(self) -> Batcher:
        """Who takes requests; raises `RefusalError` (503) before the engine is open."""
        if self._batcher is None:
            raise RefusalError(
                "the scorer is not open yet",
                status=503,
                kind="unavailable",
                next_step="ask again",
                headers=AGAIN,
            )
        return self._batcher

    def tend(self) -> None:
        """Let the engine look after what it shares with others, unless it is still at that, or
        hangs.
        """
        batcher = self._batcher
        if (
            batcher is None
            or batcher.stuck
            or (self._tending is not None and not self._tending.done())
        ):
            return
        if self._tending is not None and (error := self._tending.exception()) is not None:
            self._tending = None
            raise error
        self._tending = self._thread.begin(batcher.engine.tend)

    async def report(self, ids: NDArray[np.int64], reported_at: NDArray[np.int64]) -> int:
        """How many of these reports name a known event; raises `RefusalError` (503) where that
        takes too long.
        """
        batcher = self.batcher()
        if batcher.stuck:
            raise _busy()
        done = self._thread.begin(lambda: batcher.engine.report(ids, reported_at))
        try:
            return await asyncio.wait_for(done, self.bounds.deadline)
        except TimeoutError:
            raise _busy() from None

    def readiness(self) -> Readiness:
        """How it stands; not ready before the engine is open, while it hangs, and from the drain
        on.
        """
        if self._batcher is None:
            return Readiness(ready=False, release="", problems=("the scorer is not open yet",))
        readiness = self._batcher.engine.readiness()
        stuck = (
            ["the scorer is at one batch for longer than the deadline"]
            if self._batcher.stuck
            else []
        )
        draining = ["it is ending"] if self.draining else []
        if not stuck and not draining:
            return (
                replace(readiness, problems=(*readiness.problems, *self.notices))
                if self.notices
                else readiness
            )
        return replace(
            readiness, ready=False, problems=(*readiness.problems, *stuck, *draining, *self.notices)
        )

    def figures(self) -> list[Family]:
        """What is counted here and by the engine."""
        engine = self._batcher.engine.figures() if self._batcher else {}
        rows = self._batcher.rows if self._batcher else 0
        return self.gauges.families(queue_rows=rows, ready=self.readiness().ready, engine=engine)

    async def close(self, *, patience: float) -> bool:
        """Close the engine once it has answered; False where it was not done after `patience`
        seconds.
        """
        if self._batcher is None:
            return True
        done = self._thread.begin(self._batcher.engine.close)
        self._batcher = None
        try:
            await asyncio.wait_for(done, patience)
        except TimeoutError:
            return False
        self._thread.end()
        return True


def _busy() -> RefusalError:
    return RefusalError(
        "the report was not taken in time; it may still be",
        status=503,
        kind="unavailable",
        next_step="send it again: a report counts once",
        headers=AGAIN,
    )
