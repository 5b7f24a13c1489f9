"""The one thread that calls the engine: jobs in their order, answers back in the event loop.

A thread of our own and not an executor: an executor's threads are joined when the process ends, and
an engine that hangs must not keep the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


class EngineThread:
    """Runs jobs one after the other; `begin` returns a future of the event loop that called it."""

    def __init__(self, name: str = "engine") -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def begin(self, job: Callable[[], Result]) -> asyncio.Future[Result]:
        """Queue a job; its result or its exception is the future's."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def run() -> None:
            try:
                result = job()
            except BaseException as error:
                _tell(loop, future, None, error)
            else:
                _tell(loop, future, result, None)

        self._jobs.put(run)
        return future

    def end(self) -> None:
        """No more jobs: the thread ends after those that it has."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _tell(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Result],
    result: Result | None,
    error: BaseException | None,
) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop has ended, and with it whoever asked
