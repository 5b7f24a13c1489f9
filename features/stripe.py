"""What one task of the batch does: gathers its Arrow batches, calls the kernel once, hands back
Arrow batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import EventSchema, Feature
from features.errors import FeatureError
from features.instants import MICROSECONDS_PER_DAY, day_start
from features.kernel import Events, compute
from features.layout import Days, Layout
from features.packing import packed, unpacked
from features.timeline import by_time

if TYPE_CHECKING:
    import pyarrow as pa

TIME, CENTS, REPORTED, STRIPE = "__time", "__cents", "__reported", "__stripe"
"""Columns on the way to the kernel: microseconds since 1970 UTC, cents, microseconds or `NEVER`,
stripe's number.
"""

GIVEN = "__given"
"""Values of the passes before, packed: one BINARY column costs a row of history, which has none,
next to nothing.
"""

DAY = "day"
ROWS_PER_BATCH = 65_536


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pass over all stripes: tasks are dealt rows by `entity` (or whole stripes) and compute
    `features`.

    `given` are those of passes before, which the rows bring along.
    """

    entity: str | None
    features: tuple[Feature, ...]
    given: tuple[Feature, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StripeTask:
    """A function of Arrow batches, for `mapInArrow`; all batches of a call belong to one stripe.

    Asked for the `final` result it gives event id, time, entity keys, features and `DAY` of the
    stripe's own days, by (time, id); else the rows of these days as they came, with the features
    packed in `GIVEN`. The days before, which a stripe only looks back at, do not travel on: the
    next pass reads them anew.
    """

    schema: EventSchema
    work: Pass
    days: Days
    layout: Layout
    final: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        gathered = [batch for batch in batches if batch.num_rows]
        if gathered:
            yield from self._computed(gathered)
            # Spark keeps the process for its next task: what this one took is not needed until then
            pa.default_memory_pool().release_unused()

    def _computed(self, gathered: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The result from all batches of the stripe, which the list then holds no more: they are
        copied into one.
        """
        import pyarrow as pa

        table = pa.Table.from_batches(gathered)
        gathered.clear()
        table = table.combine_chunks()
        rows = self._own_rows(table)
        given = unpacked(table.column(GIVEN), rows, self.work.given) if self.work.given else {}
        values = compute(self.work.features, self._events(table), rows, given)
        if self.final:
            yield from self._result(table, rows, values).to_batches(max_chunksize=ROWS_PER_BATCH)
        else:
            yield from self._handed_on(table, rows, values)

    def _own_rows(self, table: pa.Table) -> NDArray[np.intp]:
        """Indices of the rows of the stripe's own days, by (time, id)."""
        first, last = self.layout.stripe(table.column(STRIPE)[0].as_py(), self.days)
        time = _array(table, TIME)
        rows = np.flatnonzero(
            (time >= day_start(first)) & (time < day_start(last) + MICROSECONDS_PER_DAY)
        )
        return rows[by_time(time[rows], _array(table, self.schema.id)[rows])]

    def _events(self, table: pa.Table) -> Events:
        return Events(
            id=_array(table, self.schema.id),
            time=_array(table, TIME),
            cents=_array(table, CENTS),
            reported=_array(table, REPORTED),
            keys={entity.name: _array(table, entity.key) for entity in self.schema.entities},
        )

    def _handed_on(
        self, table: pa.Table, rows: NDArray[np.intp], values: Mapping[str, NDArray[Any]]
    ) -> Iterator[pa.RecordBatch]:
        own = table.drop_columns([GIVEN]) if self.work.given else table
        for first in range(0, len(rows), ROWS_PER_BATCH):
            some = slice(first, first + ROWS_PER_BATCH)
            batch = own.take(rows[some]).append_column(
                GIVEN, packed([column[some] for column in values.values()])
            )
            yield from batch.combine_chunks().to_batches()

    def _result(
        self, table: pa.Table, rows: NDArray[np.intp], values: Mapping[str, NDArray[Any]]
    ) -> pa.Table:
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


def _array(table: pa.Table, name: str) -> NDArray[Any]:
    """A column as numpy; raises `FeatureError` where it has nulls (the lake's rows have none)."""
    column = table.column(name)
    if column.null_count:
        raise FeatureError(
            f"events lack {name!r}",
            expected="no nulls",
            found=f"{column.null_count} in {table.num_rows} rows",
        )
    array: NDArray[Any] = column.to_numpy()
    return array
