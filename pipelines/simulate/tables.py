"""The simulator's arrays as Arrow tables of the feeds, with exactly the types that the use case
declares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.base.arrow_types import arrow_type, repeated
from pipelines.simulate.transactions import Transactions
from pipelines.simulate.world import Ints
from pipelines.usecases.definition import Feed
from pipelines.usecases.fraud import USE_CASE

EVENTS, LABELS = USE_CASE.events, USE_CASE.labels
Times = npt.NDArray[np.datetime64]


def schema_of(feed: Feed) -> Any:
    """The feed's columns as an Arrow schema."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in feed.columns])


def transactions_table(events: Transactions) -> Any:
    """Columns of the `transactions` feed: ids int64, `event_time` timestamp UTC, `amount`
    decimal(12,2).
    """
    columns = _event_columns(events) | _added_columns(EVENTS, len(events.transaction_id))
    return pa.table(columns, schema=schema_of(EVENTS))


def reports_table(transaction_id: Ints, reported_at: Times) -> Any:
    """Columns of the `fraud_reports` feed: `transaction_id` int64, `reported_at` timestamp UTC; in
    order of time.
    """
    order = np.lexsort((transaction_id, reported_at))
    columns = {"transaction_id": transaction_id[order], "reported_at": reported_at[order]}
    arrays = {name: pa.array(values) for name, values in columns.items()}
    table = pa.table(arrays | _added_columns(LABELS, len(order)))
    return table.select(schema_of(LABELS).names).cast(schema_of(LABELS))


def truth_table(events: Transactions, reported_at: Times) -> Any:
    """What really happened, for transactions that are fraud or are reported; every other one is
    honest.

    Columns of the feed, then `scenario` int8 (0 honest) and `reported_at` timestamp UTC (null:
    never).
    """
    notable = (events.scenario > 0) | ~np.isnat(reported_at)
    table = transactions_table(events[notable])
    table = table.append_column("scenario", pa.array(events.scenario[notable]))
    return table.append_column(
        "reported_at", pa.array(reported_at[notable]).cast(pa.timestamp("us", tz="UTC"))
    )


def _added_columns(feed: Feed, rows: int) -> dict[str, Any]:
    """The columns that were added to the feed after its first day: the simulator knows no other
    value of them than their default.
    """
    return {column.name: repeated(column.default, column.type, rows) for column in feed.added}


def _event_columns(events: Transactions) -> dict[str, Any]:
    return {
        "transaction_id": pa.array(events.transaction_id),
        "event_time": pa.array(events.event_time).cast(pa.timestamp("us", tz="UTC")),
        "customer_id": pa.array(events.customer_id),
        "terminal_id": pa.array(events.terminal_id),
        "amount": _decimals(events.cents, schema_of(EVENTS).field("amount").type),
    }


def _decimals(cents: Ints, kind: pa.DataType) -> Any:
    """Whole cents as decimals without a detour: Arrow keeps decimals as 128-bit integers, low word
    first.
    """
    words = np.stack([cents, cents >> 63], axis=1)
    return pa.Array.from_buffers(kind, len(cents), [None, pa.py_buffer(words)])
