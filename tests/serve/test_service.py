"""Routes, keys, methods, types, the metrics, and that the OpenAPI document is true."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from itertools import chain

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as openapi_checks

from pipelines.base.atomic_files import write_whole
from pipelines.doctor import services as diagnosis_services
from pipelines.serve.http import access
from pipelines.services.components import component
from tests.serve.processes import until
from tests.serve.serving import MADE_AT, Served, event, served

ROUTES = {
    ("POST", "/v1/score"): {"scorer"},
    ("POST", "/v1/reports"): {"scorer"},
    ("GET", "/v1/release"): {"reader"},
    ("GET", "/metrics"): {"reader"},
    ("GET", "/openapi.json"): {"scorer", "reader"},
    ("GET", "/health"): {"none", "another", "scorer", "reader"},
    ("GET", "/ready"): {"none", "another", "scorer", "reader"},
}
KEYS = ("none", "another", "scorer", "reader", "basic")


def test_the_table_knows_every_route(scorer: Served) -> None:
    assert {(route.method, path) for path, route in scorer.service.routes.items()} == ROUTES.keys()


@pytest.mark.guarantee(
    "unauthenticated",
    fault="every route of the online scorer, each kind of key",
    seen="401 or 403",
)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_asks_for_its_role(scorer: Served, method: str, path: str, key: str) -> None:
    given = {
        "none": "",
        "another": "Bearer tg_" + "x" * 43,
        "basic": f"Basic {scorer.keys['scorer']}",
    }
    header = given.get(key, f"Bearer {scorer.keys.get(key)}")
    with scorer.http("") as http:
        http.headers.update({"authorization": header} if header else {})
        answered = http.request(method, path, json=event(1) if path == "/v1/score" else None)
    allowed = ROUTES[method, path]
    if key in allowed or "none" in allowed:
        assert answered.status_code == (415 if path == "/v1/reports" else 200), (
            "reports are sent without a body here"
        )
    elif key in {"none", "another", "basic"}:
        assert answered.status_code == 401
        assert answered.headers["www-authenticate"].startswith("Bearer")
    else:
        assert answered.status_code == 403
        assert answered.json()["found"] == key


def test_no_answer_and_no_log_repeats_a_key(
    scorer: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with scorer.http("") as http:
        http.headers["authorization"] = "Bearer tg_secret-canary"
        answered = http.post("/v1/score?reasons=tg_secret", json={})
    assert answered.status_code == 401
    assert "canary" not in answered.text + caplog.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_another_method_is_refused(scorer: Served, method: str) -> None:
    with scorer.http() as http:
        answered = http.request(method, "/v1/score")
    assert (answered.status_code, answered.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/v1/release", "/openapi.json"])
def test_head_answers_as_get_without_a_body(scorer: Served, path: str) -> None:
    with scorer.http("reader") as http:
        head, got = http.head(path), http.get(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert int(head.headers["content-length"]) > 0
        assert http.get("/health").is_success, "the connection goes on"
        assert http.head("/v1/score").status_code == 405


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [("authorization", "Bearer nobody", 401), ("content-type", "text/plain", 415)],
)
def test_a_header_that_may_come_once_is_refused_when_it_comes_twice(
    scorer: Served, name: str, value: str, status: int
) -> None:
    right = {"authorization": f"Bearer {scorer.keys['scorer']}", "content-type": "application/json"}
    for first, second in ((value, right[name]), (right[name], value), (right[name], right[name])):
        others = [(other, value) for other, value in right.items() if other != name]
        headers = [*others, (name, first), (name.title(), second)]
        answered = httpx.post(
            f"{scorer.url}/v1/score", headers=headers, json=event(1), trust_env=False
        )
        assert answered.status_code == status, answered.text
        assert "comes twice" in answered.json()["title"]


@pytest.mark.parametrize("requests", [1, 3])
def test_a_client_that_closes_its_sending_side_early_gets_its_answers(
    scorer: Served, requests: int
) -> None:
    body = json.dumps(event(1)).encode()
    head = (
        f"POST /v1/score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {scorer.keys['scorer']}\r\n"
    )
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", scorer.port), timeout=10) as to:
        to.sendall((head.encode() + body) * requests)
        to.shutdown(socket.SHUT_WR)
        received = b""
        while part := to.recv(65536):
            received += part
    assert received.count(b"HTTP/1.1 200 OK") == requests


def test_a_request_that_is_cut_off_by_the_end_of_sending_ends_the_connection(
    scorer: Served,
) -> None:
    with socket.create_connection(("127.0.0.1", scorer.port), timeout=10) as to:
        head = (
            "POST /v1/score HTTP/1.1\r\nhost: x\r\nauthorization: Bearer"
            f" {scorer.keys['scorer']}\r\n"
        )
        to.sendall(
            f"{head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{{".encode()
        )
        to.shutdown(socket.SHUT_WR)
        received = b""
        while part := to.recv(65536):
            received += part
    assert received == b"", "half a request gets no answer"


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/score/", "/%2e%2e/etc/passwd", "//v1/score", "/docs"]
)
def test_another_path_is_not_there(scorer: Served, path: str) -> None:
    with scorer.http() as http:
        answered = http.get(path)
    assert answered.status_code == 404
    assert answered.headers["content-type"] == "application/problem+json"


def test_a_path_that_leads_back_is_the_path_that_it_leads_to(scorer: Served) -> None:
    """The client itself resolves it; a scorer's key opens no metrics that way either."""
    with scorer.http() as http:
        assert http.get("/v1/../metrics").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/csv"},
        {"content-type": ""},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_another_type_of_content_is_refused(scorer: Served, headers: dict[str, str]) -> None:
    with scorer.http() as http:
        assert http.post("/v1/score", content=b"{}", headers=headers).status_code == 415


def test_a_content_type_may_have_parameters(scorer: Served) -> None:
    with scorer.http() as http:
        assert http.post(
            "/v1/score", json=event(1), headers={"content-type": "Application/JSON; charset=utf-8"}
        ).is_success


def test_reports_are_known_by_their_event_or_wait(scorer: Served) -> None:
    now = datetime.now(UTC).isoformat()
    with scorer.http() as http:
        assert http.post("/v1/score", json=event(7_000_001)).is_success
        report = {"transaction_id": 7_000_001, "reported_at": now}
        assert http.post("/v1/reports", json=report).json() == {"known": 1, "waiting": 0}
        both = {"reports": [report, {"transaction_id": 7_000_002, "reported_at": now}]}
        assert http.post("/v1/reports", json=both).json() == {"known": 1, "waiting": 1}
        bad = http.post(
            "/v1/reports",
            json={
                "reports": [report, {"transaction_id": 1, "reported_at": "2999-01-01T00:00:00Z"}]
            },
        )
        assert (bad.status_code, bad.json()["row"], bad.json()["field"]) == (422, 1, "reported_at")


def test_what_decides_and_how_it_stands(scorer: Served) -> None:
    with scorer.http("reader") as http:
        body = http.get("/v1/release").json()
        assert (body["release"], body["ready"], body["problems"]) == ("small", True, [])
        assert http.get("/ready").json() == {"ready": True, "release": "small", "problems": []}
        assert http.get("/health").json() == {"status": "alive"}


def test_the_doctor_asks_it(scorer: Served) -> None:
    def found(port: int) -> diagnosis_services.Finding:
        return next(
            diagnosis_services.scorer(scorer.settings.model_copy(update={"serve_port": port}))
        )

    assert (found(scorer.port).ok, found(scorer.port).found) == (True, f"{scorer.url}, small")
    assert found(9).found == "nothing listens on http://127.0.0.1:9"
    alive = component("scorer").healthy
    assert alive
    assert alive(scorer.settings.model_copy(update={"serve_port": scorer.port}))
    assert not alive(scorer.settings.model_copy(update={"serve_port": 9}))


def test_metrics_are_open_metrics_and_count(scorer: Served) -> None:
    def read() -> dict[str, float]:
        with scorer.http("reader") as http:
            answered = http.get("/metrics")
        assert answered.headers["content-type"].startswith("application/openmetrics-text")
        families = text_string_to_metric_families(answered.text)
        return {
            " ".join(
                [sample.name, sample.labels.get("stage", ""), sample.labels.get("status", "")]
            ): sample.value
            for sample in chain.from_iterable(family.samples for family in families)
            if sample.labels.get("path") in {None, "/v1/score"}
        }

    before = read()
    with scorer.http() as http:
        http.post("/v1/score", json={"events": [event(8_000_000), event(8_000_001)]})
        http.post("/v1/score", json={})
    after = read()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["tollgate_serve_rows_total  "] == 2
    assert grown["tollgate_serve_requests_total  200"] == 1
    assert grown["tollgate_serve_requests_total  422"] == 1
    assert grown["tollgate_serve_stage_seconds_count queue "] == 1
    assert grown["tollgate_serve_stage_seconds_count score "] == 1
    assert after["tollgate_serve_engine_events  "] >= 2
    assert after["tollgate_serve_queue_rows  "] == 0
    assert after["tollgate_serve_ready  "] == 1


def test_a_key_comes_and_goes_without_a_restart(tmp_path) -> None:
    with served(tmp_path / "home") as running:
        token = access.add(running.settings, "late", ["scorer"], made_at=MADE_AT)
        running.keys["late"] = token
        with running.http("late") as http:
            running.loop.call_soon_threadsafe(running.service.keys.refresh)
            until(lambda: http.post("/v1/score", json=event(1)).status_code == 200)
            access.revoke(running.settings, "late")
            until(lambda: http.post("/v1/score", json=event(1)).status_code == 401)


@pytest.mark.parametrize(
    "content", ["{not JSON", '[{"name": "a", "roles": ["scorer"], "sha256": "zz", "made_at": ""}]']
)
def test_a_file_of_keys_that_cannot_be_read_is_told_and_lets_nobody_in_until_it_is_mended(
    tmp_path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    with served(tmp_path / "home") as running, running.http() as http:
        path = access.keys_file(running.settings)
        whole = path.read_text()
        until(lambda: http.post("/v1/score", json=event(1)).status_code == 200)
        write_whole(path, lambda partial: partial.write_text(content), what="the keys")
        until(lambda: http.post("/v1/score", json=event(1)).status_code == 401)
        write_whole(path, lambda partial: partial.write_text(whole), what="the keys")
        until(lambda: http.post("/v1/score", json=event(1)).status_code == 200)
    messages = [
        record.getMessage()
        for record in caplog.records
        if "nobody is let in" in record.getMessage()
    ]
    assert len(messages) == 1, "once, not at each look"
    assert str(path) in messages[0]
    assert "cannot be read" in messages[0]


SOME = hypothesis_settings(
    max_examples=50,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)

TRUE = (
    not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.unsupported_method,
)
"""All but `positive_data_acceptance`: times near the clock and cents cannot be said in a schema."""


@pytest.mark.slow
def test_the_description_is_true(scorer: Served) -> None:
    key = {"authorization": f"Bearer {scorer.keys['scorer']}"}
    with scorer.http() as http:
        body = http.get("/openapi.json").json()
    assert body["openapi"].startswith("3.1")
    assert body["paths"].keys() == scorer.service.routes.keys()
    assert re.fullmatch(r"Event|Events", body["components"]["schemas"]["Event"]["title"])
    described = schemathesis.openapi.from_dict(body)
    described.config.update(base_url=scorer.url)
    tried = 0
    for described_operation in described.get_all_operations():
        operation = described_operation.ok()
        bodies = operation.method == "post"
        modes = [
            schemathesis.GenerationMode.POSITIVE,
            *([schemathesis.GenerationMode.NEGATIVE] if bodies else []),
        ]
        for mode in modes:

            @given(case=operation.as_strategy(generation_mode=mode))
            @SOME
            def try_out(case: schemathesis.Case) -> None:
                nonlocal tried
                tried += 1
                case.call_and_validate(headers=key, checks=TRUE)

            try_out()
    assert tried > 200
