"""What one task of the batch does: gathers its Arrow batches, calls the kernel once, hands back Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import EventSchema, Feature
from features.errors import FeatureError
from features.kernel import Events, compute
from features.layout import Days, Layout
from features.timeline import MICROSECONDS_PER_DAY, by_time

if TYPE_CHECKING:
    import pyarrow as pa

TIME, CENTS, REPORTED, STRIPE = "__time", "__cents", "__reported", "__stripe"
"""Columns on the way to the kernel: microseconds since 1970 UTC, cents, microseconds or `NEVER`, stripe's number."""

DAY = "day"
ROWS_PER_BATCH = 65_536
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pass over all stripes: tasks are dealt rows by `entity` (or whole stripes) and compute `features`."""

    entity: str | None
    features: tuple[Feature, ...]
    given: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StripeTask:
    """A function of Arrow batches, for `mapInArrow`; all batches of a call belong to one stripe.

    Asked for the `final` result it gives event id, time, entity keys, features and `DAY` of the stripe's own days, by
    (time, id); else all rows as they came, with the features added (0 in the rows of other days).
    """

    schema: EventSchema
    work: Pass
    days: Days
    layout: Layout
    final: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        gathered = list(batches)
        if not any(batch.num_rows for batch in gathered):
            return
        table = pa.Table.from_batches(gathered).combine_chunks()
        rows = self._own_rows(table)
        given = {name: _array(table, name)[rows] for name in self.work.given}
        values = compute(self.work.features, self._events(table), rows, given)
        result = self._result(table, rows, values) if self.final else _with_columns(table, rows, values)
        yield from result.to_batches(max_chunksize=ROWS_PER_BATCH)

    def _own_rows(self, table: pa.Table) -> NDArray[np.intp]:
        """Indices of the rows of the stripe's own days, by (time, id)."""
        first, last = self.layout.stripe(table.column(STRIPE)[0].as_py(), self.days)
        time = _array(table, TIME)
        starts, ends = ((day - _EPOCH).days * MICROSECONDS_PER_DAY for day in (first, last))
        rows = np.flatnonzero((time >= starts) & (time < ends + MICROSECONDS_PER_DAY))
        return rows[by_time(time[rows], _array(table, self.schema.id)[rows])]

    def _events(self, table: pa.Table) -> Events:
        return Events(
            id=_array(table, self.schema.id),
            time=_array(table, TIME),
            cents=_array(table, CENTS),
            reported=_array(table, REPORTED),
            keys={entity.name: _array(table, entity.key) for entity in self.schema.entities},
        )

    def _result(self, table: pa.Table, rows: NDArray[np.intp], values: Mapping[str, NDArray[Any]]) -> pa.Table:
        import pyarrow as pa

        own = table.select([self.schema.id, TIME, *self.schema.keys]).take(rows)
        time = _array(own, TIME)
        columns = {
            self.schema.id: own.column(self.schema.id),
            self.schema.time: pa.array(time).view(pa.timestamp("us", "UTC")),
            **{key: own.column(key) for key in self.schema.keys},
            **{name: pa.array(column) for name, column in values.items()},
            DAY: pa.array((time // MICROSECONDS_PER_DAY).astype(np.int32)).view(pa.date32()),
        }
        return pa.table(columns)


def _with_columns(table: pa.Table, rows: NDArray[np.intp], values: Mapping[str, NDArray[Any]]) -> pa.Table:
    """The table with the values in their rows and 0 in the others."""
    import pyarrow as pa

    for name, column in values.items():
        whole = np.zeros(table.num_rows, dtype=column.dtype)
        whole[rows] = column
        table = table.append_column(name, pa.array(whole))
    return table


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    """A column as numpy; raises `FeatureError` where it has nulls (the lake's rows have none)."""
    column = table.column(name)
    if column.null_count:
        raise FeatureError(
            f"events lack {name!r}", expected="no nulls", found=f"{column.null_count} in {table.num_rows} rows"
        )
    array: NDArray[Any] = column.to_numpy()
    return array
