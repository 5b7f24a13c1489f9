"""The service in a thread of this process, on a socket of its own, behind an engine that a test
chooses.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from pipelines.base.settings import Settings
from pipelines.serve.client import ScorerClient
from pipelines.serve.http import access
from pipelines.serve.http.server import Beside, build, serve
from pipelines.serve.http.service import Service
from pipelines.serve.predictions import Engine
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load
from tests.serve.small_engine import SmallEngine

MADE_AT = "2026-11-22T00:00:00+00:00"


@dataclass
class Served:
    url: str
    port: int
    keys: dict[str, str]
    settings: Settings
    service: Service
    loop: asyncio.AbstractEventLoop
    ended: asyncio.Event
    thread: threading.Thread

    def http(self, role: str = "scorer", **more: Any) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.keys[role]}"} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, **more)

    def client(self, **more: Any) -> ScorerClient:
        return ScorerClient(self.url, self.keys["scorer"], **{"timeout": 60.0, **more})

    def end(self) -> None:
        """Ask it to end; returns at once."""
        self.loop.call_soon_threadsafe(self.ended.set)


@contextmanager
def served(
    home: Path,
    engine: Engine | None = None,
    *,
    opened: Callable[[], Engine] | None = None,
    beside: Sequence[tuple[UseCase, Callable[[], Engine]]] = (),
    **changes: Any,
) -> Iterator[Served]:
    """The service, answering until the block ends; `changes` are settings without their
    `serve_`, `beside` other use cases with what opens their engines.
    """
    changes = {"drain_seconds": 2.0, "deadline_ms": 60_000.0, **changes}
    named = {f"serve_{name}": value for name, value in changes.items()}
    settings = Settings.build(home=home, **named)
    keys = {role: access.add(settings, role, [role], made_at=MADE_AT) for role in access.ROLES}
    use_case = load("fraud")
    engine = engine or SmallEngine(use_case)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    begun: list[Any] = []
    ready = threading.Event()

    async def live() -> None:
        service = build(settings, use_case, worker=0)
        ended = asyncio.Event()
        begun.extend([service, asyncio.get_running_loop(), ended])
        asyncio.get_running_loop().call_later(0.05, ready.set)
        others = [Beside(build(settings, other, worker=0), opens) for other, opens in beside]
        await serve(service, settings, listener, opened or (lambda: engine), ended, others)

    thread = threading.Thread(target=lambda: asyncio.run(live()), daemon=True)
    thread.start()
    assert ready.wait(60)
    running = Served(
        f"{settings.serve_scheme}://127.0.0.1:{port}", port, keys, settings, *begun, thread
    )
    try:
        yield running
    finally:
        if thread.is_alive():
            running.end()
        thread.join(60)
        assert not thread.is_alive()


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An event that is let in, as plain data."""
    at = (
        datetime.now(UTC).replace(microsecond=0)
        - timedelta(hours=1)
        + timedelta(seconds=number % 3000)
    )
    fields = {
        "transaction_id": number,
        "event_time": at.isoformat(),
        "customer_id": number % 7,
        "terminal_id": number % 5,
        "amount": 12.34,
    }
    return fields | changes
