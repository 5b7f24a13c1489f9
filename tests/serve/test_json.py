"""What JSON is let in, what is refused and how, and that nothing sent ends in an error of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.usecases.registry import load
from tests.serve.serving import Served, event

NOW = datetime.now(UTC)
REACH = timedelta(days=load("fraud").stored_features.reach_days)


def post(scorer: Served, content: Any, **more: Any) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    with scorer.http() as http:
        return http.post(
            "/v1/score", content=body, headers={"content-type": "application/json"}, **more
        )


def test_one_event_gets_one_answer(scorer: Served) -> None:
    answered = post(scorer, event(1001, amount=220))
    assert answered.status_code == 200
    body = answered.json()
    assert body.pop("feature_set") == load("fraud").feature_sets["baseline"].digest
    assert body.pop("model_version").startswith("rule-")
    assert body == {
        "transaction_id": 1001,
        "score": 0.5,
        "decision": True,
        "release": "small",
        "threshold": 0.5,
        "fallback": False,
        "flags": [],
    }


def test_several_events_get_answers_in_their_order_with_what_was_asked(scorer: Served) -> None:
    events = [event(2000 + i, amount=i, customer_id=99) for i in range(5)]
    body = post(scorer, {"events": events, "reasons": True, "features": True}).json()["answers"]
    assert [row["transaction_id"] for row in body] == [2000 + i for i in range(5)]
    assert [row["features"]["amount"] for row in body] == [0, 1, 2, 3, 4]
    assert [row["reasons"][0]["feature"] for row in body] == ["amount"] * 5
    assert set(body[0]["features"]) == set(load("fraud").feature_sets["baseline"].names)


def test_the_query_asks_too(scorer: Served) -> None:
    body = post(scorer, event(2100), params={"reasons": "true", "features": "1"}).json()
    assert body["reasons"]
    assert body["features"]
    refused = post(scorer, event(2101), params={"reason": "true"})
    assert (refused.status_code, refused.json()["field"]) == (400, "reason")


def test_an_id_twice_counts_once_and_is_flagged(scorer: Served) -> None:
    twice = [event(2200), event(2200)]
    first, again = (post(scorer, answer).json() for answer in twice)
    assert (first["flags"], again["flags"]) == ([], ["repeated"])
    assert post(scorer, {"events": [event(2201), event(2201)]}).status_code == 200


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**63), 0])
def test_whole_numbers_are_exact(scorer: Served, number: int) -> None:
    assert post(scorer, event(number)).json()["transaction_id"] == number


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        (0, 0),
        (0.1, 10),
        (0.29, 29),
        (1.1, 110),
        (4.35, 435),
        (99999.99, 9999999),
        ("12.30", 1230),
        ("-0", 0),
        (1e2, 10000),
    ],
)
def test_amounts_are_exact_to_the_cent(scorer: Served, amount: Any, cents: int) -> None:
    body = post(scorer, {"events": [event(2300 + cents, amount=amount)], "features": True}).json()
    assert body["answers"][0]["features"]["amount"] == cents / 100


@given(cents=st.integers(0, 10_000_000))
@settings(max_examples=300, deadline=None)
def test_every_amount_in_cents_survives_the_number(cents: int) -> None:
    from pipelines.serve.wire.request_bounds import door

    entrance = door(load("fraud"), now=lambda: 0)
    assert (
        entrance.cents(cents / 100, None)
        == entrance.cents(f"{cents // 100}.{cents % 100:02}", None)
        == cents
    )


def _changed(**changes: Any) -> bytes:
    return json.dumps(event(3000, **changes)).encode()


def _raw(name: str, value: str) -> bytes:
    fields = event(3000)
    return json.dumps(fields | {name: "@"}).replace('"@"', value).encode()


def _without(name: str) -> bytes:
    return json.dumps({key: value for key, value in event(3000).items() if key != name}).encode()


BAD = {
    "no JSON": (b"{", 400, ""),
    "nothing": (b"", 400, ""),
    "two documents": (_changed() + b" {}", 400, ""),
    "not UTF-8": (_changed().replace(b"12.34", b'"\xff"'), 400, ""),
    "NaN": (_raw("amount", "NaN"), 400, ""),
    "infinite": (_raw("amount", "-Infinity"), 400, ""),
    "a number beyond all": (_raw("amount", "1e999"), 422, "amount"),
    "an array": (b"[]", 422, ""),
    "null": (b"null", 422, ""),
    "text": (b'"x"', 422, ""),
    "deep": (b"[" * 200_000, 422, ""),
    "deep within": (_raw("customer_id", "[" * 100_000 + "]" * 100_000), 422, "customer_id"),
    "deep elsewhere": (_raw("zzz", '{"a":' * 50_000 + "1" + "}" * 50_000), 422, "zzz"),
    "missing": (_without("customer_id"), 422, "customer_id"),
    "no id": (_without("transaction_id"), 422, "transaction_id"),
    "unknown": (_changed(card="4111"), 422, "card"),
    "null key": (_changed(terminal_id=None), 422, "terminal_id"),
    "text for a number": (_changed(customer_id="7"), 422, "customer_id"),
    "true for a number": (_changed(customer_id=True), 422, "customer_id"),
    "a fraction": (_changed(customer_id=1.0), 422, "customer_id"),
    "beyond 64 bits": (_raw("transaction_id", str(2**63)), 422, "transaction_id"),
    "below 64 bits": (_raw("transaction_id", str(-(2**63) - 1)), 422, "transaction_id"),
    "beyond all bits": (_raw("transaction_id", "9" * 400), 422, "transaction_id"),
    "negative": (_changed(amount=-0.01), 422, "amount"),
    "huge": (_changed(amount=100000.01), 422, "amount"),
    "huger": (_changed(amount=1e300), 422, "amount"),
    "three decimals": (_changed(amount=12.345), 422, "amount"),
    "three decimals as text": (_changed(amount="12.345"), 422, "amount"),
    "an amount in words": (_changed(amount="twelve"), 422, "amount"),
    "NaN in words": (_changed(amount="NaN"), 422, "amount"),
    "other digits": (_changed(amount="١٢"), 422, "amount"),
    "no zone": (_changed(event_time="2026-11-22T06:00:00"), 422, "event_time"),
    "no time": (_changed(event_time="2026-11-22"), 422, "event_time"),
    "a number for a time": (_changed(event_time=1700000000), 422, "event_time"),
    "no day": (_changed(event_time="2026-02-30T06:00:00Z"), 422, "event_time"),
    "future": (_changed(event_time=(NOW + timedelta(days=1)).isoformat()), 422, "event_time"),
    "far future": (_changed(event_time="9999-12-31T23:59:59Z"), 422, "event_time"),
    "ancient": (
        _changed(event_time=(NOW - REACH - timedelta(hours=1)).isoformat()),
        422,
        "event_time",
    ),
    "year one": (_changed(event_time="0001-01-01T00:00:00+23:59"), 422, "event_time"),
    "no events": (b'{"events": []}', 422, "events"),
    "events that are none": (b'{"events": 3}', 422, "events"),
    "an option that is none": (
        json.dumps({"events": [event(3000)], "reason": 1}).encode(),
        422,
        "reason",
    ),
    "an option of another type": (
        json.dumps({"events": [event(3000)], "reasons": 1}).encode(),
        422,
        "reasons",
    ),
}


@pytest.mark.guarantee(
    "huge request",
    fault="deep JSON and bad fields of every kind to the online scorer",
    seen="4xx with field and reason",
)
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_field_and_reason(scorer: Served, name: str) -> None:
    body, status, field = BAD[name]
    answered = post(scorer, body)
    assert answered.headers["content-type"] == "application/problem+json"
    problem = answered.json()
    assert (answered.status_code, problem.get("field", "")) == (status, field)
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"].startswith("urn:tollgate:")
    assert len(answered.content) < 2000


def test_a_bad_row_is_named_and_nothing_of_the_request_is_scored(scorer: Served) -> None:
    events = [event(4000), event(4001, amount=-1), event(4002)]
    body = post(scorer, {"events": events}).json()
    assert (body["row"], body["field"], body["found"]) == (1, "amount", "-1.0")
    assert body["expected"] == "0.00 to 100,000.00, at most two decimals"
    assert post(scorer, event(4000)).json()["flags"] == []
    body = post(scorer, {"events": [event(4003), event(4004, customer_id="x")]}).json()
    assert (body["row"], body["field"], body["expected"], body["found"]) == (
        1,
        "customer_id",
        "a whole number",
        "text",
    )


def test_too_many_rows(scorer: Served) -> None:
    answered = post(scorer, {"events": [event(i) for i in range(4097)]})
    assert (answered.status_code, answered.json()["expected"]) == (422, "at most 4096")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "transaction_id": st.integers(),
        "event_time": st.one_of(
            st.integers(0, 3600).map(
                lambda seconds: (NOW - timedelta(seconds=seconds)).isoformat()
            ),
            st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
            st.text(max_size=25),
            ANY,
        ),
        "customer_id": st.integers() | ANY,
        "terminal_id": st.integers(-(2**64), 2**64) | ANY,
        "amount": st.floats() | st.decimals(allow_nan=False).map(str) | ANY,
    },
)


@given(
    content=st.one_of(
        ANY,
        NEAR,
        st.fixed_dictionaries({"events": st.lists(NEAR, max_size=3)}, optional={"reasons": ANY}),
    )
)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_json_ends_in_an_error_of_ours(asking: httpx.Client, content: Any) -> None:
    body = json.dumps(content).encode()
    for path in ("/v1/score", "/v1/reports"):
        answered = asking.post(path, content=body)
        assert answered.status_code in {200, 400, 413, 422}, (content, answered.text)
        assert answered.json()


@given(body=st.binary(max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_bytes_end_in_an_error_of_ours(asking: httpx.Client, body: bytes) -> None:
    for kind in ("application/json", "application/vnd.apache.arrow.stream"):
        assert asking.post(
            "/v1/score", content=body, headers={"content-type": kind}
        ).status_code in {400, 422}


@pytest.fixture(scope="module")
def asking(scorer: Served) -> httpx.Client:
    with scorer.http() as http:
        http.headers["content-type"] = "application/json"
        yield http
