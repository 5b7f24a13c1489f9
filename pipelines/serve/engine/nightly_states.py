"""What the night built: states as of a midnight, read whole from the lake or one by one from the
online store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from features.feast_objects import BUILT_AT, view_name
from features.instants import arrow_microseconds, day_start, microseconds_of
from features.state import AMOUNTS, IDS, REPORTED, TIMES, state_columns
from features.states_table import StatesTable
from features.timeline import NEVER, Ints
from pipelines.base.errors import StoreError
from pipelines.lake.table_files import table_batches
from pipelines.online.states import FeastStates
from pipelines.run import Run
from pipelines.stores.watermark import online_store, watermark

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Nightly:
    """A complete materialisation: states as of the end of `day`, built at that second (UTC)."""

    day: date
    built_at: datetime

    @property
    def as_of(self) -> int:
        """The midnight at its end, in µs since 1970 UTC."""
        return day_start(self.day + timedelta(days=1))


def newest(run: Run) -> Nightly | None:
    """The newest materialisation, None before the first; raises `StoreError` where the ledger does
    not answer.
    """
    mark = watermark(run.ledger)
    return Nightly(mark.day, mark.built_at) if mark else None


def all_states(run: Run, nightly: Nightly, entity: str) -> Iterator[StatesTable]:
    """The states of all entities of one kind, from the lake's table.

    Raises `StoreError` where the lake cannot be read, or its table is of another build than the
    online store holds (one that is being made, or that failed half-way).
    """

    stored = run.use_case.stored_features
    columns = state_columns(stored, entity)
    key = stored.schema.entity(entity).key
    built = microseconds_of(nightly.built_at)
    for batch in table_batches(
        run.settings, run.use_case.name, view_name(entity), [key, *columns, BUILT_AT]
    ):
        stamps = arrow_microseconds(batch.column(BUILT_AT))
        if len(stamps) and not (stamps == built).all():
            raise StoreError(
                f"the lake's table of {entity} states is of another build than the online store's",
                where=run.settings.lake,
                expected=f"built at {nightly.built_at.isoformat()}",
                found=f"{np.unique(stamps[stamps != built])[0]} µs",
                next_step=(
                    "none: states are read from the online store until the next materialisation is"
                    " complete"
                ),
            )
        yield _table(batch, key, columns)


def online_states(run: Run, nightly: Nightly) -> FeastStates:
    """The online store's states of that materialisation, for reading."""
    store = online_store(run, reading_only=True)
    return FeastStates(store, run.use_case.stored_features, not_before=nightly.built_at)


def _table(batch: pa.RecordBatch, key: str, columns: Sequence[str]) -> StatesTable:
    import pyarrow as pa

    lists: dict[str, Any] = {name: batch.column(name) for name in columns}
    first: Any = lists[IDS]
    offsets: Ints = first.offsets.to_numpy().astype(np.int64)
    none: Ints = np.empty(0, dtype=np.int64)
    cells = {name: pa.compute.list_flatten(column).to_numpy() for name, column in lists.items()}
    return StatesTable(
        keys=batch.column(key).to_numpy().astype(np.int64, copy=False),
        offsets=offsets - offsets[0],
        ids=cells[IDS],
        times=cells[TIMES],
        cents=cells.get(AMOUNTS, none),
        reported=cells.get(
            REPORTED, np.full(len(cells[IDS]), NEVER) if REPORTED in columns else none
        ),
    )
