"""The service: an ASGI application of a handful of routes, from the door to the batcher and back.

Plain ASGI and no framework: a router, its request and response objects and its middleware would
cost more than the decoding of a request. Every refusal is a problem document; nothing that a client
sends raises beyond this module.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np

from pipelines.base.openmetrics import CONTENT_TYPE, Family, exposition, joined, labelled
from pipelines.serve import refusals as refused
from pipelines.serve.http import limits
from pipelines.serve.http.access import Key, Keys
from pipelines.serve.http.lifetime import Lifetime
from pipelines.serve.http.openapi import document
from pipelines.serve.http.rates import Rates
from pipelines.serve.metrics import metrics_shelf
from pipelines.serve.metrics.gauges import Gauges
from pipelines.serve.refusals import RefusalError
from pipelines.serve.score_request import ScoreRequest, Share
from pipelines.serve.wire.arrow_wire import ArrowWire
from pipelines.serve.wire.json_wire import JsonWire, Reported
from pipelines.serve.wire.request_bounds import Door
from pipelines.usecases.definition import UseCase

LOGGER = logging.getLogger(__name__)
JSON = JsonWire.content_type
ANYBODY: tuple[str, ...] = ()

Clock = Callable[[], float]


class Reply(NamedTuple):
    """What is answered."""

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler sees: headers by name in small letters, the query, the way to the body, and
    whose key it is.
    """

    headers: dict[bytes, bytes]
    query: bytes
    receive: limits.Receive
    key: Key | None


@dataclass(frozen=True)
class Route:
    """A path: its method, the roles of which a key needs one (none: open to all), and who
    answers.
    """

    method: str
    roles: tuple[str, ...]
    handler: Callable[[Request], Awaitable[Reply]]

    @property
    def methods(self) -> tuple[str, ...]:
        """What it answers: to HEAD, which probes use, as to GET, without the body."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bytes of the largest body, rows of the largest request; in how many parts processes share a
    key's rate.
    """

    body_bytes: int
    rows: int
    workers: int = 1


class Service:
    """The application.

    `lifetime` knows the engine, from its opening to its drain. It answers at `/v1/…` and at
    `/v1/NAME/…`, the use case's name; `beside` are the services of other use cases in this process,
    of which its metrics and its readiness tell too.
    """

    def __init__(
        self,
        use_case: UseCase,
        door: Door,
        keys: Keys,
        lifetime: Lifetime,
        bounds: Limits,
        clock: Clock,
    ) -> None:
        self.use_case, self.keys, self.lifetime, self.limits, self.clock = (
            use_case,
            keys,
            lifetime,
            bounds,
            clock,
        )
        self.beside: tuple[Service, ...] = ()
        self.own_root = f"/v1/{use_case.name}/"
        self.json = JsonWire(use_case, door, most_rows=bounds.rows)
        arrow = ArrowWire(use_case, door, most_rows=bounds.rows)
        self.wires = {wire.content_type: wire for wire in (self.json, arrow)}
        self.gauges: Gauges = lifetime.gauges
        self.rates = Rates(bounds.workers, clock, self.gauges.over_rate)
        self.routes = {
            "/v1/score": Route("POST", ("scorer",), self._score),
            "/v1/reports": Route("POST", ("scorer",), self._reports),
            "/v1/release": Route("GET", ("reader",), self._release),
            "/metrics": Route("GET", ("reader",), self._metrics),
            "/openapi.json": Route("GET", ("scorer", "reader"), self._openapi),
            "/health": Route("GET", ANYBODY, self._health),
            "/ready": Route("GET", ANYBODY, self._ready),
        }

    async def __call__(
        self, scope: Any, receive: limits.Receive, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is spoken here, not {scope['type']}")
        began, path = self.clock(), self._plain(scope["path"])
        try:
            reply = await self._reply(scope, path, receive)
        except RefusalError as error:
            reply = _refusal(
                error, closing=scope["method"] == "POST" and error.kind in _BEFORE_BODY
            )
        except Exception:
            LOGGER.exception("a request failed")
            reply = _refusal(
                RefusalError("something failed here; it is in the log", status=500, kind="failed"),
                closing=True,
            )
        closing = (
            (limits.CLOSE,) if self.lifetime.draining and limits.CLOSE not in reply.headers else ()
        )
        length = (b"content-length", b"%d" % len(reply.body))
        headers = [(b"content-type", reply.content_type), length, *reply.headers, *closing]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body}
        )
        self.gauges.answered(
            path if path in self.routes else "other", reply.status, self.clock() - began
        )

    def _plain(self, path: str) -> str:
        """The path without the use case's name: `/v1/score` for `/v1/NAME/score`."""
        return f"/v1/{path.removeprefix(self.own_root)}" if path.startswith(self.own_root) else path

    async def _reply(self, scope: Any, path: str, receive: limits.Receive) -> Reply:
        route = self.routes.get(path)
        if route is None:
            served = [self.use_case.name, *(other.use_case.name for other in self.beside)]
            raise RefusalError(
                "there is nothing at this path",
                status=404,
                kind="not-found",
                expected=f"{', '.join(self.routes)}; /v1/NAME/score for {', '.join(served)}",
            )
        if scope["method"] not in route.methods:
            raise RefusalError(
                "this method is not answered here",
                status=405,
                kind="method",
                expected=" or ".join(route.methods),
                found=scope["method"],
                headers=[(b"allow", ", ".join(route.methods).encode())],
            )
        headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            _require_one_of_each(scope["headers"])
        key = (
            self.keys.allow(
                headers.get(b"authorization", b""), route.roles, use_case=self.use_case.name
            )
            if route.roles
            else None
        )
        return await route.handler(Request(headers, scope["query_string"], receive, key))

    async def _score(self, request: Request) -> Reply:
        wire = limits.require_type(request.headers, self.wires)
        body = await limits.body(request.receive, request.headers, largest=self.limits.body_bytes)
        score_request: ScoreRequest = wire.read(body)
        self.rates.require(request.key, len(score_request.rows))
        if request.query:
            chosen = options(request.query)
            score_request = replace(
                score_request,
                reasons=score_request.reasons or chosen["reasons"],
                features=score_request.features or chosen["features"],
            )
        share = await self.lifetime.batcher().ask(
            score_request.rows, explained=score_request.reasons
        )
        self._count(share)
        return Reply(200, wire.content_type, wire.write(score_request, share))

    async def _reports(self, request: Request) -> Reply:
        limits.require_type(request.headers, {JSON: self.json})
        body = await limits.body(request.receive, request.headers, largest=self.limits.body_bytes)
        rows = self.json.read_reports(body)
        self.rates.require(request.key, len(rows))
        matched = await self.lifetime.report(
            np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1])
        )
        return _json(Reported(known=matched, waiting=len(rows) - matched))

    async def _release(self, _: Request) -> Reply:
        readiness = self.lifetime.readiness()
        return _json(
            {
                "release": readiness.release,
                "ready": readiness.ready,
                "problems": readiness.problems,
                "facts": dict(readiness.facts),
            }
        )

    async def _health(self, _: Request) -> Reply:
        return _json({"status": "alive"})

    async def _ready(self, _: Request) -> Reply:
        document = self.standing()
        if self.beside:
            document["use_cases"] = {other.use_case.name: other.standing() for other in self.beside}
        return _json(document, status=200 if document["ready"] else 503)

    def standing(self) -> dict[str, Any]:
        """Whether this use case is served, by which release, and what is wrong."""
        readiness = self.lifetime.readiness()
        return {
            "ready": readiness.ready,
            "release": readiness.release,
            "problems": readiness.problems,
        }

    async def _metrics(self, _: Request) -> Reply:
        services = (self, *self.beside)
        families = chain.from_iterable(service.families() for service in services)
        return Reply(200, CONTENT_TYPE.encode(), exposition(joined(families), {}).encode())

    def families(self) -> list[Family]:
        """The figures of this use case, of all processes together."""
        figures = self.lifetime.figures()
        together = metrics_shelf.together(self.lifetime.shelf, self.lifetime.worker, figures)
        return [labelled(family, use_case=self.use_case.name) for family in together]

    async def _openapi(self, _: Request) -> Reply:
        return _json(document(self.json, self.use_case))

    def _count(self, share: Share) -> None:
        predictions, first, past = share
        self.gauges.rows += past - first
        for place, decider in enumerate(predictions.deciders):
            if decider.fallback:
                self.gauges.fallback_rows += int(
                    np.count_nonzero(predictions.decided_by[first:past] == place)
                )


_BEFORE_BODY = frozenset(
    {"not-found", "method", "unauthorized", "forbidden", "unsupported", "too-large"}
)
"""Refusals for which a body was not read: the connection ends with them."""

_ONCE = {b"authorization": 401, b"content-type": 415, b"content-encoding": 415}
"""Headers that come once, and the status for a request that has two: which of them counts is
nobody's to guess.
"""


def _require_one_of_each(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise `RefusalError` where a header of `_ONCE` comes twice."""
    for name, status in _ONCE.items():
        times = sum(given == name for given, _ in headers)
        if times > 1:
            raise RefusalError(
                "a header that may come once comes twice",
                status=status,
                kind="unauthorized" if status == 401 else "unsupported",
                field=name.decode().title(),
                expected="one",
                found=str(times),
                next_step="send one; look at what a proxy adds",
            )


_OPTIONS = {b"true": True, b"1": True, b"false": False, b"0": False}


def options(query: bytes) -> dict[str, bool]:
    """What the query asks to be told; raises `RefusalError` (400) for anything but reasons and
    features.
    """
    chosen = {"reasons": False, "features": False}
    named = set()
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        option = name.decode("latin-1")
        if option in named:
            raise RefusalError(
                "a question is there twice",
                status=400,
                kind="malformed",
                field=option[:100],
                expected="every option of the query once",
                found=query.decode("latin-1"),
            )
        named.add(option)
        if option not in chosen or value not in _OPTIONS:
            raise RefusalError(
                "a question that nobody understands",
                status=400,
                kind="malformed",
                field=option[:100],
                expected="reasons=true, features=true",
                found=part.decode("latin-1"),
            )
        chosen[option] = _OPTIONS[value]
    return chosen


def _json(content: Any, *, status: int = 200) -> Reply:
    return Reply(status, JSON, msgspec.json.encode(content, enc_hook=_plain))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _refusal(error: RefusalError, *, closing: bool) -> Reply:
    closed = closing and limits.CLOSE not in error.headers
    return Reply(
        error.status,
        refused.CONTENT_TYPE,
        error.body(),
        (*error.headers, *([limits.CLOSE] if closed else [])),
    )
