"""The service on a socket, by TLS where there is a certificate: opened, kept, drained, in a time
that is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter, time_ns
from typing import Any

import uvicorn

from pipelines.base.settings import Settings
from pipelines.serve.engine.batching import Bounds
from pipelines.serve.http.access import Keys, keys_file
from pipelines.serve.http.closing_listener import allow_new_connections, stop_new_connections
from pipelines.serve.http.connection import LimitedConnection
from pipelines.serve.http.lifetime import Lifetime
from pipelines.serve.http.repeated import Repeated
from pipelines.serve.http.service import Limits, Service
from pipelines.serve.http.tls import GOODBYE_SECONDS, HANDSHAKE_SECONDS, Tls
from pipelines.serve.metrics import metrics_shelf
from pipelines.serve.predictions import Engine
from pipelines.serve.wire.request_bounds import door
from pipelines.usecases.definition import UseCase

LOGGER = logging.getLogger("tollgate.serve")

NOTICE = 0.1
"""Share of the drain's time in which it still takes new connections, while answers say that theirs
ends.
"""

SETTLING = 0.25
"""Seconds in which connections that have begun are made, before the listener closes."""

BACKLOG = 2048
IDLE_SECONDS = 75
OPEN_AGAIN_SECONDS = 30.0
"""Seconds after which an engine that could not be opened is tried again."""

TICK = 0.5
"""Seconds between two looks at the keys and the certificate, and two leavings of figures."""


@dataclass(frozen=True)
class Beside:
    """Another use case in the same process: its service, and what opens its engine."""

    service: Service
    opened: Callable[[], Engine]


class Scorers:
    """Several use cases behind one door: `/v1/NAME/…` is answered by the use case of that name,
    everything else by the first one.
    """

    def __init__(self, service: Service) -> None:
        self._first = service
        self._by_name = {each.use_case.name: each for each in (service, *service.beside)}

    @classmethod
    def of(cls, service: Service) -> Scorers | Service:
        """The application; a use case that is alone needs nobody in front of it."""
        return cls(service) if service.beside else service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request to its use case (ASGI)."""
        parts = str(scope.get("path", "")).split("/", 3)
        named = len(parts) == 4 and parts[1] == "v1" and parts[2] in self._by_name
        chosen = self._by_name[parts[2]] if named else self._first
        await chosen(scope, receive, send)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, with a shutdown that resets no connection that was made
    before it.

    A TLS handshake has a time of its own here: a client that never begins one would else be kept
    for a minute.
    """

    def __init__(self, config: uvicorn.Config, tls: Tls | None) -> None:
        super().__init__(config)
        self._secured: dict[str, Any] = {}
        if tls is not None:
            times = {
                "ssl_handshake_timeout": HANDSHAKE_SECONDS,
                "ssl_shutdown_timeout": GOODBYE_SECONDS,
            }
            self._secured = {"ssl": tls.context, **times}

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on sockets that are bound already."""
        await self.lifespan.startup()
        for listener in sockets or []:
            allow_new_connections(listener)
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(self._protocol, sock=each, backlog=BACKLOG, **self._secured)
            for each in sockets or []
        ]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, but take what the system has accepted for us already; then as uvicorn
        does.
        """
        queues = [listener.dup() for listener in sockets or []]
        for queue in queues:
            stop_new_connections(queue)
        await asyncio.sleep(SETTLING)
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        waiting: list[socket.socket] = []
        for queue in queues:
            waiting += _accepted(queue)
        taken = [
            loop.connect_accepted_socket(self._protocol, each, **self._secured) for each in waiting
        ]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*taken, return_exceptions=True), GOODBYE_SECONDS)
        await super().shutdown(sockets)

    def _protocol(self) -> LimitedConnection:
        return LimitedConnection(config=self.config, server_state=self.server_state, app_state={})


def _accepted(queue: socket.socket) -> list[socket.socket]:
    """The connections that wait in a listener's queue; the listener is closed."""
    connections = []
    queue.setblocking(False)
    with queue, contextlib.suppress(BlockingIOError):
        while True:
            connections.append(queue.accept()[0])
    return connections


def build(settings: Settings, use_case: UseCase, *, worker: int) -> Service:
    """The application with its surroundings; needs a running event loop only once it is asked."""
    bounds = Bounds(
        wait=settings.serve_batch_wait_ms / 1000,
        deadline=settings.serve_deadline_ms / 1000,
        batch_rows=settings.serve_batch_rows,
        queue_rows=max(settings.serve_queue_rows, settings.serve_max_rows),
    )
    schema = use_case.stored_features.schema
    shelf = metrics_shelf.shelf(settings, use_case.name)
    lifetime = Lifetime(schema, bounds, worker=worker, shelf=shelf)
    entrance = door(use_case, now=lambda: time_ns() // 1000, any_time=settings.serve_any_time)
    limits = Limits(
        body_bytes=settings.serve_max_bytes,
        rows=settings.serve_max_rows,
        workers=settings.serve_processes,
    )
    return Service(use_case, entrance, Keys(keys_file(settings)), lifetime, limits, perf_counter)


async def serve(
    service: Service,
    settings: Settings,
    listener: socket.socket,
    opened: Callable[[], Engine],
    ended: asyncio.Event,
    beside: Sequence[Beside] = (),
) -> bool:
    """Serve until `ended` is set, then drain; whether everything was done within the time that a
    drain has.

    `beside` are other use cases, whose engines open after this one's; one that cannot be opened is
    logged and tried again, and holds no other up. Raises what `opened` raises, after the listener
    is closed, and `ConfigurationError` for a certificate.
    """
    service.beside = tuple(other.service for other in beside)
    for each in (service, *service.beside):
        each.keys.refresh()
    tls = Tls.of(settings)
    server = _Server(_config(Scorers.of(service), settings), tls)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ticking = asyncio.create_task(_tick(service, tls))
    opening = asyncio.create_task(service.lifetime.open(opened))
    others = asyncio.create_task(_open_others(opening, beside))
    ending = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({opening, ending, serving}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            await asyncio.wait({ending, serving}, return_when=asyncio.FIRST_COMPLETED)
        return await _drain(service, settings, server, serving, {opening, others})
    finally:
        server.should_exit = True
        for task in (ticking, opening, ending, others):
            task.cancel()
        await asyncio.gather(serving, ticking, opening, ending, others, return_exceptions=True)


async def _open_others(opening: asyncio.Task[None], beside: Sequence[Beside]) -> None:
    """Open the engines of the other use cases, once the first one is open, each until it is."""
    await asyncio.wait({opening})
    await asyncio.gather(*(_open_until_it_is(other) for other in beside))


async def _open_until_it_is(other: Beside) -> None:
    lifetime, next_try = other.service.lifetime, perf_counter()
    while not lifetime.draining:
        if perf_counter() < next_try:
            await asyncio.sleep(min(TICK, OPEN_AGAIN_SECONDS))
            continue
        try:
            await lifetime.open(other.opened)
            return
        except Exception as error:
            name = other.service.use_case.name
            LOGGER.error("use case %s is not served yet: %s", name, error)
        next_try = perf_counter() + OPEN_AGAIN_SECONDS


async def _drain(
    service: Service,
    settings: Settings,
    server: uvicorn.Server,
    serving: asyncio.Task[None],
    openings: set[asyncio.Task[None]],
) -> bool:
    """Tell who asks, stop accepting, finish what is in flight, close the engines (one that opens,
    when it is open).
    """
    whole = settings.serve_drain_seconds
    end = perf_counter() + whole
    services = (service, *service.beside)
    for each in services:
        each.lifetime.draining = True
    await asyncio.sleep(NOTICE * whole)
    server.should_exit = True
    await serving
    _, opening = await asyncio.wait(openings, timeout=max(1.0, end - perf_counter()))
    if opening:
        return False
    closed = [
        await each.lifetime.close(patience=max(1.0, end - perf_counter())) for each in services
    ]
    return all(closed)


def _config(application: Service | Scorers, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=LimitedConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=max(1, int(settings.serve_drain_seconds * (1 - NOTICE) / 2)),
    )


async def _tick(service: Service, tls: Tls | None) -> None:
    lifetime, services = service.lifetime, (service, *service.beside)

    def look_at_certificate() -> None:
        if tls is not None:
            tls.refresh()
            lifetime.notices = tls.problems()
            lifetime.gauges.certificate_ends = tls.certificate.ends.timestamp()

    def look_at_keys() -> None:
        for each in services:
            each.keys.refresh()

    def tend() -> None:
        for each in services:
            each.lifetime.tend()

    def leave_figures() -> None:
        for each in services:
            own = each.lifetime
            metrics_shelf.leave(own.shelf, own.worker, own.figures())

    repeated = Repeated(
        {
            "looking at the keys": look_at_keys,
            "looking at the certificate": look_at_certificate,
            "looking at what is shared": tend,
            "leaving the figures for the other processes": leave_figures,
        }
    )
    while True:
        repeated.once()
        await asyncio.sleep(TICK)
