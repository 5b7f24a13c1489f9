"""A column that is added to the events: requests about the time before may leave it out, others may
not, in both formats alike.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.instants import microseconds_of
from pipelines.serve.refusals import RefusalError
from pipelines.serve.wire.arrow_wire import ArrowWire
from pipelines.serve.wire.json_wire import JsonWire
from pipelines.serve.wire.request_bounds import door
from pipelines.usecases.definition import Column
from pipelines.usecases.registry import load

ADDED_ON = date(2026, 11, 22)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
BEFORE = MIDNIGHT - timedelta(microseconds=1)
FRAUD = load("fraud")
COLUMNS = (
    Column(name="channel", type="string", description="where", added_on=ADDED_ON, default="till"),
    Column(name="tip", type="decimal(6,2)", description="tip", added_on=ADDED_ON, default="0"),
)
USE_CASE = replace(FRAUD, events=replace(FRAUD.events, columns=(*FRAUD.events.columns, *COLUMNS)))
DOOR = door(USE_CASE, now=lambda: microseconds_of(MIDNIGHT + timedelta(hours=6)))
JSON = JsonWire(USE_CASE, DOOR, most_rows=100)
ARROW = ArrowWire(USE_CASE, DOOR, most_rows=100)


def event(at: datetime, **more: Any) -> dict[str, Any]:
    """An event, with the new columns that are given."""
    plain = {
        "transaction_id": 1,
        "event_time": at.isoformat(),
        "customer_id": 2,
        "terminal_id": 3,
        "amount": 12.34,
    }
    return plain | more


def read_json(*events: dict[str, Any]) -> Any:
    """The rows that the JSON wire makes of some events."""
    return JSON.read(json.dumps({"events": events}).encode()).rows


def read_arrow(*events: dict[str, Any]) -> Any:
    """The rows that the Arrow wire makes of some events (all with the same columns)."""
    columns = {
        "transaction_id": pa.array([row["transaction_id"] for row in events], pa.int64()),
        "event_time": pa.array(
            [datetime.fromisoformat(row["event_time"]) for row in events],
            pa.timestamp("us", "UTC"),
        ),
        "customer_id": pa.array([row["customer_id"] for row in events], pa.int64()),
        "terminal_id": pa.array([row["terminal_id"] for row in events], pa.int64()),
        "amount": pa.array([Decimal(str(row["amount"])) for row in events], pa.decimal128(12, 2)),
    }
    if "channel" in events[0]:
        columns["channel"] = pa.array([row["channel"] for row in events], pa.string())
    if "tip" in events[0]:
        columns["tip"] = pa.array([Decimal(str(row["tip"])) for row in events], pa.decimal128(6, 2))
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return ARROW.read(sink.getvalue().to_pybytes()).rows


@pytest.mark.parametrize("read", [read_json, read_arrow])
def test_a_row_from_before_may_leave_the_columns_out(read: Any) -> None:
    without, whole = read(event(BEFORE)), read(event(BEFORE, channel="web", tip=0.5))
    assert np.array_equal(without, whole)


@pytest.mark.parametrize("read", [read_json, read_arrow])
@pytest.mark.parametrize("given", [{}, {"channel": "web"}, {"tip": 0.5}])
def test_a_row_of_the_day_must_have_them(read: Any, given: dict[str, Any]) -> None:
    with pytest.raises(RefusalError) as refused:
        read(event(BEFORE, **given), event(MIDNIGHT, **given))
    assert refused.value.row == 1
    assert refused.value.field not in given
    assert str(ADDED_ON) in refused.value.expected
    assert len(read(event(MIDNIGHT, channel="web", tip=0.5))) == 1


def test_in_json_each_row_decides_for_itself() -> None:
    rows = read_json(
        event(BEFORE),
        event(MIDNIGHT, channel="web", tip="0.50"),
        event(BEFORE, channel='a "quoted" place'),
    )
    assert len(rows) == 3


@pytest.mark.parametrize(
    "body",
    [
        event(BEFORE, channel="web"),
        event(BEFORE, tip="0.50"),
        event(BEFORE, tip=0.5, channel="web"),
    ],
)
def test_a_new_column_that_is_there_twice_is_refused(body: dict[str, Any]) -> None:
    name = next(name for name in ("channel", "tip") if name in body)
    value = json.dumps(body[name])
    text = json.dumps(body)
    assert len(JSON.read(text.encode()).rows) == 1
    twice = text[:-1] + f', "{name}": {value}}}'
    with pytest.raises(RefusalError) as refused:
        JSON.read(twice.encode())
    assert refused.value.field == name


def test_a_column_of_another_type_or_name_is_still_refused() -> None:
    for more in ({"channel": 3}, {"tip": True}, {"chanel": "web"}):
        with pytest.raises(RefusalError):
            read_json(event(BEFORE, **more))
