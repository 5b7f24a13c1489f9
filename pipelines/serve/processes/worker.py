"""One process of the service, as the supervisor starts it.

`python -m pipelines.serve.processes.worker NUMBER SOCKET ENGINE`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module

import uvicorn

from pipelines.base.errors import PermanentError, TollgateError
from pipelines.base.settings import Settings
from pipelines.serve.http.server import Beside, build, serve
from pipelines.serve.predictions import Engine
from pipelines.serve.served_use_cases import served_use_cases

HOPELESS = 78
"""Exit code where another start would fail in the same way (sysexits' EX_CONFIG)."""

SWITCH_SECONDS = 0.0005
"""How long the event loop may keep Python's lock while the engine's thread wants it (5 ms would be
felt).
"""

LOGGER = logging.getLogger("tollgate.serve")


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM, or until the supervisor is gone; the exit code."""
    number, descriptor, engine = int(arguments[0]), int(arguments[1]), arguments[2]
    logging.basicConfig(
        level=logging.WARNING, format=f"%(asctime)s scorer {number} %(levelname)s %(message)s"
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with asyncio.Runner(
            loop_factory=uvicorn.Config("", loop="uvloop", log_config=None).get_loop_factory()
        ) as runner:
            return runner.run(_run(number, socket.socket(fileno=descriptor), engine))
    except TollgateError as error:
        LOGGER.error("%s", error)
        return HOPELESS if isinstance(error, PermanentError) else 1


async def _run(number: int, listener: socket.socket, engine: str) -> int:
    settings = Settings.from_environment()
    module, _, function = engine.partition(":")
    factory = getattr(import_module(module), function)

    def opening(use_case: str) -> Callable[[], Engine]:
        own = settings.model_copy(update={"use_case": use_case})
        return partial(_open, partial(factory, own, worker=number))

    first, *others = served_use_cases(settings)
    beside = [Beside(build(settings, case, worker=number), opening(case.name)) for case in others]
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)
    watching = asyncio.create_task(_parent_gone(os.getppid(), ended))
    service = build(settings, first, worker=number)
    done = await serve(service, settings, listener, opening(first.name), ended, beside)
    watching.cancel()
    if not done:
        LOGGER.error("the engine was not closed within %s s", settings.serve_drain_seconds)
        sys.stderr.flush()
        os._exit(1)
    return 0


def _open(opened: Callable[[], Engine]) -> Engine:
    """The engine; Python's collector leaves alone what is in memory by then: each look at it took
    140 ms.
    """
    engine = opened()
    gc.collect()
    gc.freeze()
    return engine


async def _parent_gone(parent: int, ended: asyncio.Event) -> None:
    """Nobody is left to start this process again or to end it: it ends by itself."""
    while os.getppid() == parent:
        await asyncio.sleep(1.0)
    ended.set()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
