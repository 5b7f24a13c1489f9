"""A member's name that occurs twice in a JSON body is refused, however it is spelled; every other
body is read.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.serve.refusals import RefusalError
from pipelines.serve.wire.json_members import RepeatedMembers
from pipelines.serve.wire.json_wire import JsonWire, row_type
from pipelines.serve.wire.request_bounds import door
from pipelines.usecases.definition import Column, Feed
from pipelines.usecases.registry import load
from tests.serve.serving import Served, event

WIRE = JsonWire(
    load("fraud"), door(load("fraud"), now=lambda: time.time_ns() // 1000), most_rows=4096
)

TWICE = {
    "the same name": ('"amount": 12.34', '"amount": 12.34, "amount": 99999.0', "amount"),
    "the same value": ('"amount": 12.34', '"amount": 12.34, "amount": 12.34', "amount"),
    "an escaped name": ('"amount": 12.34', '"amount": 12.34, "amo\\u0075nt": 99999', "amount"),
    "an escaped name first": (
        '"amount": 12.34',
        '"\\u0061\\u006d\\u006fun\\u0074":1,"amount": 12.34',
        "amount",
    ),
    "another type": ('"amount": 12.34', '"amount": 12.34, "amount": "99999"', "amount"),
    "a key": ('"customer_id": 1', '"customer_id": 1, "customer_id": 2', "customer_id"),
    "the id": (
        '"transaction_id": 1',
        '"transaction_id": 1, "transaction_\\u0069d": 1',
        "transaction_id",
    ),
    "a time": ('"event_time"', '"event_time": "2026-11-22T06:00:00Z", "event_time"', "event_time"),
}


def _one(**changes: Any) -> str:
    return json.dumps(event(1, **changes))


@pytest.mark.parametrize("case", TWICE)
@pytest.mark.parametrize("several", [False, True])
def test_a_field_that_occurs_twice_is_refused(case: str, several: bool) -> None:
    once, twice, field = TWICE[case]
    body = _one()
    assert once in body
    repeated = body.replace(once, twice)
    sent = f'{{"events": [{body}, {repeated}, {body}]}}' if several else repeated

    with pytest.raises(RefusalError) as refused:
        WIRE.read(sent.encode())

    refusal = refused.value
    assert (refusal.what, refusal.field, refusal.row, refusal.status) == (
        "a field is there twice",
        field,
        1 if several else None,
        422,
    )


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ('"reasons": true, "reasons": false', "reasons"),
        ('"features": false, "reasons": true, "f\\u0065atures": true', "features"),
        ('"reasons": false, "events": [{}]', "events"),
        ('"\\u0065vents": [{}]', "events"),
    ],
)
def test_a_member_around_the_events_that_occurs_twice_is_refused(members: str, field: str) -> None:
    sent = f'{{"events": [{_one()}], {members.replace("{}", _one())}}}'
    with pytest.raises(RefusalError, match="a field is there twice") as refused:
        WIRE.read(sent.encode())
    assert (refused.value.field, refused.value.row) == (field, None)


@pytest.mark.parametrize("several", [False, True])
def test_a_report_with_a_field_twice_is_refused(several: bool) -> None:
    at = datetime.now(UTC).isoformat()
    report = f'{{"transaction_id": 1, "reported_at": "{at}", "transaction_\\u0069d": 2}}'
    sent = f'{{"reports": [{report}]}}' if several else report
    with pytest.raises(RefusalError, match="a field is there twice") as refused:
        WIRE.read_reports(sent.encode())
    assert refused.value.field == "transaction_id"
    once = sent.replace(', "transaction_\\u0069d": 2', "")
    assert WIRE.read_reports(once.encode())[0, 0] == 1


@pytest.mark.parametrize(
    "body",
    [
        _one(amount="12.34"),
        _one().replace("amount", "amo\\u0075nt"),
        f'{{"features": false, "events": [{_one(amount="1")}, {_one()}], "reasons": true}}',
        f'{{"events": [{_one()}], "features": false}}',
        "{" + f'"events"\n:\t[ {_one()} ]' + "}",
    ],
)
def test_bodies_with_every_field_once_are_read(body: str) -> None:
    assert len(WIRE.read(body.encode()).rows) >= 1


def test_the_options_are_read_as_before() -> None:
    for member, expected in [
        ("", False),
        (', "reasons": false', False),
        (', "reasons": true', True),
    ]:
        request = WIRE.read(f'{{"events": [{_one()}]{member}}}'.encode())
        assert (request.reasons, request.features, request.single) == (expected, False, False)


def test_both_endpoints_answer_422(scorer: Served) -> None:
    twice = _one().replace('"amount": 12.34', '"amount": 12.34, "amo\\u0075nt": 1')
    report = (
        '{"transaction_id": 1, "transaction_id": 1, "reported_at":'
        f' "{datetime.now(UTC).isoformat()}"}}'
    )
    with scorer.http() as http:
        http.headers["content-type"] = "application/json"
        for path, body, field in [
            ("/v1/score", twice, "amount"),
            ("/v1/reports", report, "transaction_id"),
        ]:
            answered = http.post(path, content=body)
            problem = answered.json()
            assert (answered.status_code, problem["title"], problem["field"]) == (
                422,
                "a field is there twice",
                field,
            )
        answered = http.post(
            "/v1/score", params=[("reasons", "1"), ("reasons", "0")], content=_one()
        )
        assert (answered.status_code, answered.json()["field"]) == (400, "reasons")


FEED = Feed(
    name="things",
    description="things",
    columns=(
        Column(name="id", type="bigint", description="id"),
        Column(name="word", type="string", description="any text"),
        Column(name="price", type="decimal(12,2)", description="number or text"),
        Column(name="on", type="boolean", description="a flag"),
    ),
    key=("id",),
    time="id",
)
ROW = row_type(FEED, "Thing")
DECODER = msgspec.json.Decoder(ROW)
REPEATED = RepeatedMembers(FEED)

VALUES: dict[str, st.SearchStrategy[str]] = {
    "id": st.integers(-5, 5).map(json.dumps),
    "word": (
        st.one_of(st.text(max_size=8), st.text('":{},\\\n', max_size=8)).flatmap(
            lambda text: st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])
        )
    ),
    "price": st.sampled_from(["1", "1.5", '"1"', '"2.50"', "1e1"]),
    "on": st.sampled_from(["true", "false"]),
}


def _spelled(name: str) -> st.SearchStrategy[str]:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
    return st.sampled_from([f'"{name}"', f'"{escaped}"', f'"{name[0]}{escaped[6:]}"'])


def _member(name: str) -> st.SearchStrategy[str]:
    blank = st.sampled_from(["", " ", "\n"])
    return st.tuples(_spelled(name), blank, st.just(":"), blank, VALUES[name]).map("".join)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_body_is_refused_exactly_where_a_name_occurs_twice(data: st.DataObject) -> None:
    extra = data.draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=2))
    names = data.draw(st.permutations([*VALUES, *extra]))
    body = ("{" + ",".join(data.draw(_member(name)) for name in names) + "}").encode()
    row = DECODER.decode(body)

    try:
        REPEATED.refuse(body, [row], [])
        refused = False
    except RefusalError:
        refused = True

    assert refused == bool(extra)
