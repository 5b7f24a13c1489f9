"""The Arrow wire lets in what JSON lets in and gives the same answers; what a stranger sends is not
unpacked unseen.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.instants import microseconds_of
from pipelines.serve.predictions import Decider, Predictions
from pipelines.serve.refusals import RefusalError
from pipelines.serve.score_request import Share
from pipelines.serve.wire.arrow_wire import ArrowWire
from pipelines.serve.wire.json_wire import JsonWire
from pipelines.serve.wire.request_bounds import door
from pipelines.usecases.registry import load
from tests.serve.serving import Served, event

USE_CASE = load("fraud")
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
DOOR = door(USE_CASE, now=lambda: microseconds_of(NOW))
ARROW = ArrowWire(USE_CASE, DOOR, most_rows=100)
JSON = JsonWire(USE_CASE, DOOR, most_rows=100)


def table(events: list[dict[str, Any]], **columns: Any) -> pa.Table:
    columns_by_name = {
        "transaction_id": pa.array([e["transaction_id"] for e in events], pa.int64()),
        "event_time": pa.array(
            [datetime.fromisoformat(e["event_time"]) for e in events], pa.timestamp("us", "UTC")
        ),
        "customer_id": pa.array([e["customer_id"] for e in events], pa.int64()),
        "terminal_id": pa.array([e["terminal_id"] for e in events], pa.int64()),
        "amount": pa.array([Decimal(str(e["amount"])) for e in events], pa.decimal128(12, 2)),
    }
    return pa.table(
        {name: column for name, column in (columns_by_name | columns).items() if column is not None}
    )


def stream(content: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, content.schema, options=pa.ipc.IpcWriteOptions(**options)
    ) as writer:
        writer.write_table(content, max_chunksize=3)
    return sink.getvalue().to_pybytes()


def post(scorer: Served, body: bytes, **more: Any) -> httpx.Response:
    with scorer.http() as http:
        return http.post(
            "/v1/score", content=body, headers={"content-type": ARROW.content_type.decode()}, **more
        )


def test_the_answers_are_those_that_json_gets(scorer: Served) -> None:
    events = [event(5_000_000 + i, amount=round(i * 40.07, 2)) for i in range(8)]
    answered = post(scorer, stream(table(events)), params={"reasons": "true", "features": "true"})
    assert answered.headers["content-type"] == "application/vnd.apache.arrow.stream"
    rows = pa.ipc.open_stream(answered.content).read_all().to_pylist()
    with scorer.http() as http:
        again = [row | {"transaction_id": row["transaction_id"] + 1000} for row in events]
        body = http.post("/v1/score", json={"events": again, "reasons": True}).json()["answers"]
    for row, other, sent in zip(rows, body, events, strict=True):
        assert row["transaction_id"] == sent["transaction_id"]
        assert row["flags"] == ",".join(other["flags"]) == ""
        for name in (
            "score",
            "decision",
            "release",
            "model_version",
            "feature_set",
            "threshold",
            "fallback",
        ):
            assert row[name] == other[name]
        assert row["reasons"] == other["reasons"]
        assert row["feature.amount"] == sent["amount"]


def test_a_mixture_of_deciders_and_flags_is_told_by_row() -> None:
    deciders = tuple(
        Decider(
            release_id=name,
            model_version=name * 2,
            feature_digest=name * 3,
            threshold=0.5,
            fallback=reason != "",
            reason=reason,
        )
        for name, reason in (("a", ""), ("b", ""), ("rule", "down"))
    )
    answers = Predictions(
        scores=np.arange(6) / 10,
        decisions=np.arange(6) >= 5,
        decided_by=np.array([0, 1, 2, 0, 1, 2], dtype=np.int8),
        deciders=deciders,
        flags=np.array([0, 1, 16, 3, 0, 17], dtype=np.uint8),
        names=("f", "g"),
        features=np.array([[i, np.nan] for i in range(6)], dtype=float),
        reasons={2: [("f", 1.0)]},
    )
    request = JSON.read(
        json.dumps(
            {"events": [at(i) for i in range(4)], "reasons": True, "features": True}
        ).encode()
    )
    document = json.loads(JSON.write(request, Share(answers, 2, 6)))["answers"]
    rows = pa.ipc.open_stream(ARROW.write(request, Share(answers, 2, 6))).read_all().to_pylist()
    assert (
        [row["release"] for row in rows]
        == [row["release"] for row in document]
        == ["rule", "a", "b", "rule"]
    )
    assert (
        [row["fallback"] for row in rows]
        == [row["fallback"] for row in document]
        == [True, False, False, True]
    )
    assert [row["fallback_reason"] for row in rows] == ["down", "", "", "down"]
    assert [row.get("fallback_reason", "") for row in document] == ["down", "", "", "down"]
    assert (
        [row["flags"].split(",") for row in rows][1]
        == document[1]["flags"]
        == ["unknown_entity", "repeated"]
    )
    assert [row["reasons"] for row in rows] == [row["reasons"] for row in document]
    assert (
        [row["feature.f"] for row in rows]
        == [row["features"]["f"] for row in document]
        == [2, 3, 4, 5]
    )
    assert document[0]["features"]["g"] is None


def at(number: int = 1, **changes: Any) -> dict[str, Any]:
    return event(number, event_time=(NOW - timedelta(hours=1)).isoformat(), **changes)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.integers(-60 * 24 * 60, 60),
            st.decimals(-5, 100_005, places=2),
        ),
        min_size=1,
        max_size=10,
    )
)
@settings(max_examples=200, deadline=None)
def test_both_wires_let_the_same_rows_in(rows: list[Any]) -> None:
    events = [
        at(identity, amount=str(amount))
        | {"event_time": (NOW + timedelta(minutes=minutes)).isoformat()}
        for identity, minutes, amount in rows
    ]
    outcomes = []
    floats = pa.array([float(e["amount"]) for e in events])
    for wire, body in (
        (JSON, json.dumps({"events": events}).encode()),
        (ARROW, stream(table(events))),
        (ARROW, stream(table(events, amount=floats))),
    ):
        try:
            outcomes.append(wire.read(body).rows.tolist())
        except RefusalError as error:
            outcomes.append((error.kind, error.field))
    if isinstance(
        outcomes[0], tuple
    ):  # several rows may be bad; a wire names the first that it finds
        assert all(isinstance(outcome, tuple) for outcome in outcomes)
    else:
        assert outcomes[0] == outcomes[1] == outcomes[2]


INVALID, TIME, AMOUNT = "invalid-event", "time-out-of-range", "amount-out-of-range"
US = pa.timestamp("us", "UTC")
NAIVE = pa.array([NOW.replace(tzinfo=None)], pa.timestamp("us"))


def one(**columns: Any) -> bytes:
    """A stream of one row with other columns."""
    return stream(table([at()], **columns))


BAD = {
    "no stream": (b"hello", "malformed", ""),
    "nothing": (b"", "malformed", ""),
    "no rows": (stream(table([])), "malformed", ""),
    "cut": (one()[:-150], "malformed", ""),
    "compressed": (stream(table([at()]), compression="zstd"), "malformed", ""),
    "lz4": (stream(table([at()]), compression="lz4"), "malformed", ""),
    "a file": (b"ARROW1\0\0" + one(), "malformed", ""),
    "too many": (stream(table([at(i) for i in range(101)])), "too-many-rows", ""),
    "a column more": (one(card=pa.array([1])), INVALID, "card"),
    "a column less": (one(terminal_id=None), INVALID, "terminal_id"),
    "null": (one(customer_id=pa.array([None], pa.int64())), INVALID, "customer_id"),
    "text": (one(customer_id=pa.array(["1"])), INVALID, "customer_id"),
    "32 bits": (one(customer_id=pa.array([1], pa.int32())), INVALID, "customer_id"),
    "a dictionary": (one(customer_id=pa.array([1]).dictionary_encode()), INVALID, "customer_id"),
    "no zone": (one(event_time=NAIVE), INVALID, "event_time"),
    "milliseconds": (
        one(event_time=pa.array([NOW], pa.timestamp("ms", "UTC"))),
        INVALID,
        "event_time",
    ),
    "future": (one(event_time=pa.array([NOW + timedelta(days=1)], US)), TIME, "event_time"),
    "ancient": (one(event_time=pa.array([-(2**63) + 1], US)), TIME, "event_time"),
    "negative": (stream(table([at(amount=-1)])), AMOUNT, "amount"),
    "huge": (stream(table([at(amount=9999999999.99)])), AMOUNT, "amount"),
    "more decimals": (
        one(amount=pa.array([Decimal("1.234")], pa.decimal128(12, 3))),
        INVALID,
        "amount",
    ),
    "NaN": (one(amount=pa.array([float("nan")])), AMOUNT, "amount"),
    "infinite": (one(amount=pa.array([float("inf")])), AMOUNT, "amount"),
    "a fraction of a cent": (one(amount=pa.array([0.001])), AMOUNT, "amount"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_field_and_reason(name: str) -> None:
    body, kind, field = BAD[name]
    with pytest.raises(RefusalError) as caught:
        ARROW.read(body)
    assert (caught.value.kind, caught.value.field) == (kind, field)


def test_the_row_is_named_across_batches() -> None:
    events = [at(i, amount=-1 if i == 7 else 1) for i in range(9)]
    with pytest.raises(RefusalError) as caught:
        ARROW.read(stream(table(events)))
    assert caught.value.row == 7


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_damaged_stream_is_refused_or_read_as_rows(data: st.DataObject) -> None:
    body = bytearray(stream(table([at(i) for i in range(5)])))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RefusalError):
        assert ARROW.read(bytes(body)).rows.shape[1] == 5
