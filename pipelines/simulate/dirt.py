"""Bad rows: each kind breaks the contract of the transactions feed in its own way.

A day with bad rows is sent as gzipped CSV, where types can break too. Bad rows are added to the
good ones, copies of which they spoil under ids of their own, so that the day without them is the
day as it should have been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.simulate.transactions import IDS_A_DAY, first_id
from pipelines.simulate.world import Stream, WorldSize

Row = dict[str, str | None]


@dataclass(frozen=True)
class Kind:
    """A kind of bad row: the values (text, null) that it has in place of good ones; `{day}` is a
    day in the future.
    """

    name: str
    values: Mapping[str, str | None]
    keeps_id: bool = False


KINDS = (
    Kind("null key", {"transaction_id": None}),
    Kind("null time", {"event_time": None}),
    Kind("null customer", {"customer_id": None}),
    Kind("null amount", {"amount": None}),
    Kind("negative amount", {"amount": "-41.50"}),
    Kind("huge amount", {"amount": "9999999999.99"}),
    Kind("not a number", {"amount": "NaN"}),
    Kind("infinite amount", {"amount": "inf"}),
    Kind("text in a number", {"amount": "twelve"}),
    Kind("text in a key", {"terminal_id": "T-17"}),
    Kind("future date", {"event_time": "{day} 12:00:00.000000Z"}),
    Kind("no such date", {"event_time": "2026-02-31 12:00:00.000000Z"}),
    Kind("key out of range", {"customer_id": "99999999999999999999"}),
    Kind("same id, other content", {"amount": "1.23"}, keeps_id=True),
)
_FUTURE = timedelta(days=400)


def bad_rows(size: WorldSize, day: date, good: Any, share: float) -> Any:
    """As many bad rows as `share` of the good ones (at least one), as an Arrow table of text
    columns like `good`.

    Kinds take turns in the order of `KINDS`, so that each comes before one comes twice.
    """
    count = max(1, round(share * good.num_rows))
    models = good.take(
        pa.array(size.stream(Stream.DIRT, day).choice(good.num_rows, count))
    ).to_pylist()
    spoiled = [_spoiled(row, number, day) for number, row in enumerate(models)]
    return pa.Table.from_pylist(spoiled, schema=good.schema)


def mixed_in(size: WorldSize, day: date, good: Any, bad: Any) -> Any:
    """Both in one table, the bad rows scattered among the good ones, which keep their order."""
    places = size.stream(Stream.DIRT_PLACES, day).uniform(0, good.num_rows, bad.num_rows)
    order = np.argsort(np.concatenate([np.arange(good.num_rows), places]), kind="stable")
    return pa.concat_tables([good, bad]).take(pa.array(order))


def as_text(table: Any) -> Any:
    """The same table with every column as text."""
    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))


def _spoiled(row: Row, number: int, day: date) -> Row:
    """The row as the kind whose turn it is spoils it, under one of the last ids of the day's
    range.
    """
    kind = KINDS[number % len(KINDS)]
    own_id = row["transaction_id"] if kind.keeps_id else str(first_id(day) + IDS_A_DAY - 1 - number)
    values = {
        name: value and value.format(day=day + _FUTURE) for name, value in kind.values.items()
    }
    return {**row, "transaction_id": own_id, **values}
