"""The whole scorer, from the socket to the night's states: a day through HTTP equals the batch,
releases move.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.run import Run
from pipelines.serve.client import ScorerClient
from pipelines.serve.engine.engine import LiveEngine
from tests.serve.nights import START, make_home, rows_of
from tests.serve.serving import Served, served
from tests.serve.test_engine import EVENTS, TODAY, batch_of, differing

DAY_LONG = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def scorer(tmp_path: Path) -> Iterator[tuple[Served, Run]]:
    run = make_home(tmp_path / "home", EVENTS)
    with served(tmp_path / "home", LiveEngine(run), any_time=True, deadline_ms=60_000) as running:
        yield running, run


def ask(client: ScorerClient, rows: list[dict[str, Any]], *, arrow: bool) -> list[dict[str, float]]:
    """Features and score of each row, by the one wire or the other."""
    if not arrow:
        return [
            {**answer.features, "score": answer.score}
            for answer in client.score(rows, features=True)
        ]
    types = {"event_time": pa.timestamp("us", "UTC"), "amount": pa.decimal128(12, 2)}
    columns = {
        name: pa.array([row[name] for row in rows], types.get(name, pa.int64())) for name in rows[0]
    }
    scored = client.score_table(pa.table(columns), features=True).to_pylist()
    return [{name.removeprefix("feature."): value for name, value in row.items()} for row in scored]


def test_a_day_through_http_has_the_bits_of_the_batch(scorer: tuple[Served, Run]) -> None:
    service, run = scorer
    due = sorted(
        (int(at), int(i))
        for i, at in zip(EVENTS.id, EVENTS.reported, strict=True)
        if START <= at < START + DAY_LONG
    )
    assert len(due) > 3, "reports are among what comes in"
    rows = rows_of(TODAY)
    answered: list[dict[str, float]] = []
    with service.client(timeout=60) as client:
        for number, row in enumerate(rows):
            while due and due[0][0] <= TODAY.time[number]:
                at, event = due.pop(0)
                client.report(
                    [{"transaction_id": event, "reported_at": EPOCH + timedelta(microseconds=at)}]
                )
            answered += ask(client, [row], arrow=number % 3 == 0)
    expected = batch_of(run, TODAY)
    features = {name: np.array([row[name] for row in answered]) for name in expected}
    assert differing(features, expected) == []


def test_what_it_says_of_itself(scorer: tuple[Served, Run]) -> None:
    service, run = scorer
    champion = run.ledger.champion()
    assert champion is not None
    with service.http("reader") as http:
        assert http.get("/v1/release").json()["release"] == champion.release_id
        assert "tollgate_serve_engine_rows_scored_total" in http.get("/metrics").text
        assert http.get("/ready").json()["problems"] == []
