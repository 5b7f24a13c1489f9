"""One scorer for several use cases: each at its own path, with its own engine, keys and figures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import pipelines.serve.http.server as server
from pipelines.base.errors import StoreError, UsageError
from pipelines.base.settings import Settings
from pipelines.serve.http import access
from pipelines.serve.served_use_cases import served_use_cases
from pipelines.usecases.registry import load
from tests.pipelines.usecases.more_use_cases import like_fraud, use_cases_in
from tests.serve.processes import until
from tests.serve.serving import MADE_AT, Served, event, served
from tests.serve.small_engine import SmallEngine

FRAUD = load("fraud")
RETURNS = replace(FRAUD, name="returns", rule=replace(FRAUD.rule, scale=100.0))


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Served]:
    """Fraud, and returns beside it."""
    with served(tmp_path, beside=[(RETURNS, lambda: SmallEngine(RETURNS))]) as running:
        with running.http("") as http:
            until(lambda: http.get("/ready").json()["use_cases"]["returns"]["ready"])
        yield running


def _score(running: Served, path: str) -> float:
    with running.http() as http:
        answer = http.post(path, json=event(1, amount=50))
    assert answer.status_code == 200, answer.text
    return float(answer.json()["score"])


def test_each_is_scored_at_its_own_path_by_its_own_policy(both: Served) -> None:
    assert _score(both, "/v1/returns/score") == 50 / RETURNS.rule.scale
    assert _score(both, "/v1/fraud/score") == 50 / FRAUD.rule.scale
    assert _score(both, "/v1/score") == _score(both, "/v1/fraud/score")


def test_a_use_case_that_is_not_served_is_no_path(both: Served) -> None:
    with both.http() as http:
        answer = http.post("/v1/parcels/score", json=event(1))
    assert answer.status_code == 404
    assert "/v1/NAME/score for fraud, returns" in answer.json()["expected"]


def test_their_figures_are_apart_and_told_together(both: Served) -> None:
    for _ in range(3):
        _score(both, "/v1/returns/score")
    _score(both, "/v1/score")
    with both.http("reader") as http:
        families = list(text_string_to_metric_families(http.get("/metrics").text))
    samples = chain.from_iterable(family.samples for family in families)
    rows = {
        sample.labels["use_case"]: sample.value
        for sample in samples
        if sample.name == "tollgate_serve_rows_total"
    }
    assert rows == {"fraud": 1, "returns": 3}
    assert len({family.name for family in families}) == len(families)


def test_a_key_may_be_for_one_of_them(both: Served) -> None:
    key = access.add(both.settings, "ann", ["scorer"], made_at=MADE_AT, use_cases=["returns"])
    headers = {"authorization": f"Bearer {key}"}
    with both.http("") as http:
        http.headers.update(headers)
        until(lambda: http.post("/v1/returns/score", json=event(2)).status_code == 200)
        refused = http.post("/v1/score", json=event(2))
    assert refused.status_code == 403
    assert "another use case" in refused.json()["title"]
    assert "tollgate -u fraud serve keys add" in refused.json()["next_step"]


def test_one_that_cannot_be_opened_holds_no_other_up_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "OPEN_AGAIN_SECONDS", 0.1)
    tries: list[int] = []

    def opens_at_the_third_try() -> SmallEngine:
        tries.append(1)
        if len(tries) < 3:
            raise StoreError("the ledger is away")
        return SmallEngine(RETURNS)

    with (
        served(tmp_path, beside=[(RETURNS, opens_at_the_third_try)]) as running,
        running.http() as http,
    ):
        until(lambda: http.post("/v1/score", json=event(1)).status_code == 200)
        until(lambda: http.post("/v1/returns/score", json=event(1)).status_code == 200)
    assert len(tries) == 3


def test_an_engine_that_is_opening_when_the_service_ends_is_closed(tmp_path: Path) -> None:
    engine, begun, going_on = SmallEngine(RETURNS), threading.Event(), threading.Event()

    def opens_late() -> SmallEngine:
        begun.set()
        assert going_on.wait(60)
        return engine

    with served(tmp_path, beside=[(RETURNS, opens_late)], drain_seconds=20.0) as running:
        assert begun.wait(60)
        running.end()
        until(lambda: running.service.lifetime.draining)
        going_on.set()
    assert engine.closed


def test_what_is_served_follows_the_setting(tmp_path: Path) -> None:
    more = {"returns": like_fraud("returns"), "bike": "1 / 0", "churn": like_fraud("churn")}
    with use_cases_in(tmp_path / "more", **more):
        every = served_use_cases(Settings.build(home=tmp_path))
        assert [use_case.name for use_case in every] == ["fraud", "churn", "returns"]
        of_churn = Settings.build(home=tmp_path, use_case="churn", serve_use_cases="returns, bike")
        assert [case.name for case in served_use_cases(of_churn)] == ["churn", "returns"]
        with pytest.raises(UsageError, match="serve a use case that there is not") as caught:
            served_use_cases(Settings.build(home=tmp_path, serve_use_cases="retruns"))
    assert caught.value.found == "retruns"
