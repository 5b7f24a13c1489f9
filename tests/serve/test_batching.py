"""Requests share batches and get their own answers; deadlines, overload, a hanging engine, a
failing one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from features.kernel import Events
from pipelines.serve.engine.batching import Batcher, Bounds
from pipelines.serve.engine.engine_thread import EngineThread
from pipelines.serve.metrics.gauges import Gauges
from pipelines.serve.predictions import Predictions
from pipelines.usecases.registry import load
from tests.serve.processes import until
from tests.serve.serving import Served, event, served
from tests.serve.small_engine import RuleEngine, SmallEngine


class Gate(RuleEngine):
    """Scores only while the gate is open."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.entered, self.open = threading.Event(), threading.Event()
        self.open.set()

    def score(self, requests: Events, explained: NDArray[np.bool_]) -> Predictions:
        self.entered.set()
        self.open.wait(300)
        self.calls.append(len(requests))
        return super().score(requests, explained)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gated = Gate(load("fraud"))
    yield gated
    gated.open.set()


def ask(scorer: Served, numbers: list[int], **more: Any) -> tuple[int, Any]:
    with scorer.http() as http:
        answered = http.post(
            "/v1/score", json={"events": [event(n, amount=n % 400, **more) for n in numbers]}
        )
    return answered.status_code, answered.json()


def test_requests_that_arrive_together_are_scored_together_and_get_their_own_answers(
    tmp_path: Path, gate: Gate
) -> None:
    with served(tmp_path / "home", gate) as scorer, ThreadPoolExecutor(24) as pool:
        gate.open.clear()
        requests = [list(range(10 * i, 10 * i + 1 + i % 3)) for i in range(24)]
        futures = [pool.submit(ask, scorer, numbers) for numbers in requests]
        until(lambda: scorer.service.lifetime.batcher().rows == sum(map(len, requests)))
        gate.open.set()
        for numbers, request in zip(requests, futures, strict=True):
            status, answer = request.result(120)
            assert status == 200
            assert [row["transaction_id"] for row in answer["answers"]] == numbers
            assert [row["score"] for row in answer["answers"]] == [
                min(1, n % 400 / 440) for n in numbers
            ]
        assert sum(gate.calls) == sum(map(len, requests))
        assert len(gate.calls) <= 3


def test_a_batch_has_a_bound(tmp_path: Path, gate: Gate) -> None:
    with served(tmp_path / "home", gate, batch_rows=5) as scorer, ThreadPoolExecutor(12) as pool:
        gate.open.clear()
        futures = [pool.submit(ask, scorer, [2 * i, 2 * i + 1]) for i in range(12)]
        until(lambda: scorer.service.lifetime.batcher().rows == 24)
        gate.open.set()
        assert all(finished.result(120)[0] == 200 for finished in futures)
        assert max(gate.calls) == 4
        assert ask(scorer, list(range(7)))[0] == 200
        assert max(gate.calls) == 7


def test_a_deadline_that_passes_is_answered_by_the_rule_and_flagged(
    tmp_path: Path, gate: Gate
) -> None:
    with served(tmp_path / "home", gate, deadline_ms=200) as scorer:
        gate.open.clear()
        status, answer = ask(scorer, [1, 399])
        assert status == 200
        assert [row["flags"] for row in answer["answers"]] == [["fallback"], ["fallback"]]
        assert {row["release"] for row in answer["answers"]} == {"rule"}
        assert {row["fallback_reason"] for row in answer["answers"]} == {"the deadline has passed"}
        until(lambda: scorer.service.lifetime.batcher().stuck)
        status, answer = ask(scorer, [2])
        assert "earlier batch" in answer["answers"][0]["fallback_reason"], (
            "it does not wait for a deadline of its own"
        )
        with scorer.http("") as http:
            ready = http.get("/ready")
            assert (ready.status_code, ready.json()["ready"]) == (503, False)
            assert http.get("/health").status_code == 200
        gate.open.set()
        until(lambda: ask(scorer, [3])[1]["answers"][0]["flags"] == [])
        with scorer.http("") as http:
            assert http.get("/ready").status_code == 200
        assert scorer.service.lifetime.batcher().rows == 0


def test_a_report_does_not_hang_either(tmp_path: Path, gate: Gate) -> None:
    with served(tmp_path / "home", gate, deadline_ms=200) as scorer, ThreadPoolExecutor(1) as pool:
        gate.open.clear()
        pool.submit(ask, scorer, [1])
        assert gate.entered.wait(60)
        with scorer.http() as http:
            answered = http.post(
                "/v1/reports", json={"transaction_id": 1, "reported_at": "2026-11-01T00:00:00Z"}
            )
        assert (answered.status_code, answered.headers["retry-after"]) == (503, "1")
        gate.open.set()


def test_overload_is_shed_and_recovers(tmp_path: Path, gate: Gate) -> None:
    with (
        served(tmp_path / "home", gate, queue_rows=20, max_rows=10) as scorer,
        ThreadPoolExecutor(16) as pool,
    ):
        gate.open.clear()
        futures = [
            pool.submit(ask, scorer, [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]) for i in range(16)
        ]
        until(lambda: sum(finished.done() for finished in futures) >= 11)
        shed = [finished.result() for finished in futures if finished.done()]
        assert {status for status, _ in shed} == {429}
        with scorer.http() as http:
            further = http.post("/v1/score", json={"events": [event(i) for i in range(4)]})
            assert (further.status_code, further.headers["retry-after"]) == (429, "1")
        gate.open.set()
        answered = [finished.result(120)[0] for finished in futures]
        assert answered.count(200) == 5
        assert answered.count(429) == 11
        assert ask(scorer, list(range(10)))[0] == 200
        with scorer.http("reader") as http:
            assert "tollgate_serve_shed_total" in http.get("/metrics").text
        until(lambda: scorer.service.gauges.shed == 12)


def test_an_engine_that_fails_is_stood_in_for(tmp_path: Path) -> None:
    engine = SmallEngine(load("fraud"), fails=True)
    with served(tmp_path / "home", engine) as scorer:
        status, answer = ask(scorer, [1])
        assert status == 200
        assert answer["answers"][0]["fallback_reason"] == "the engine failed: RuntimeError"
        engine.fails = False
        assert ask(scorer, [1])[1]["answers"][0]["flags"] == []
        assert scorer.service.gauges.fallback_rows == 1


def test_before_it_is_open_it_says_so(tmp_path: Path, gate: Gate) -> None:
    opening = threading.Event()

    def opened() -> Gate:
        opening.wait(120)
        return gate

    with served(tmp_path / "home", opened=opened) as scorer:
        status, answer = ask(scorer, [1])
        assert (status, answer["type"]) == (503, "urn:tollgate:unavailable")
        with scorer.http("") as http:
            assert http.get("/ready").json()["problems"] == ["the scorer is not open yet"]
            assert http.get("/health").is_success
        opening.set()
        until(lambda: ask(scorer, [1])[0] == 200)


def test_a_batch_waits_for_those_that_were_just_answered_and_a_lone_request_for_nobody() -> None:
    use_case = load("fraud")
    bounds = Bounds(wait=3600, deadline=7200, batch_rows=100, queue_rows=100)
    rows = np.array([[1, 2, 3, 4, 5]])

    async def asked() -> list[int]:
        thread, gauges = EngineThread(), Gauges()
        batcher = Batcher(
            RuleEngine(use_case), thread, use_case.stored_features.schema, bounds, gauges
        )
        await asyncio.wait_for(batcher.ask(rows, explained=False), 60)
        await asyncio.wait_for(
            asyncio.gather(*(batcher.ask(rows, explained=False) for _ in range(3))), 60
        )
        first = [batcher.ask(rows, explained=False) for _ in range(2)]
        early, _ = await asyncio.wait(first, timeout=0.2)
        await asyncio.wait_for(asyncio.gather(*first, batcher.ask(rows, explained=False)), 60)
        thread.end()
        return [len(early), gauges.batches, gauges.batch_rows]

    assert asyncio.run(asked()) == [0, 3, 7]
