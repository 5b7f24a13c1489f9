"""What was really answered: the log of answers of a day as columns, in the order in which the
answers were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.instants import arrow_microseconds, day_start
from features.schema import EventSchema
from features.timeline import Ints
from pipelines.base.days import midnight
from pipelines.prediction_log.files import WRITER, answers_folder, read_answers
from pipelines.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN_ENTITY, BOUNDED = 1, 8
"""Flags of an answer, as `pipelines.serve.predictions.Flag` has them."""

FEATURE = "feature."
HOUR = timedelta(hours=1)
BY_POLICY = "by_policy"
_TOLD = ("release", "fallback", "reason", BY_POLICY, "score", "decision")
_POLICY_REASON = "by policy"
"""How the reason begins of an answer by policy; logs of earlier versions say it in these words
alone.
"""
_FLAGS, _CENTS, _AT = "flags", "cents", "answered_at"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The first answer to each event, in the order of answering: an answer's place is its rank.

    Events of the day and of its neighbours, as far as they were answered in the hours that were
    read. `id`, `time` (µs), `cents`, `stamp` (when it was answered, µs) int64; `keys` by the
    entity's name; `writer` a worker's number; `flags` uint8. `today` holds the places of the
    answers to events of the day, `told` their further columns in the same order: release, fallback,
    reason, by_policy, score, decision and `feature.<name>`, null where one was not computed.
    `repeated` counts the day's answers that were not the first of their event.
    """

    id: Ints
    time: Ints
    cents: Ints
    stamp: Ints
    keys: Mapping[str, NDArray[Any]]
    writer: NDArray[np.intp]
    flags: NDArray[np.uint8]
    today: NDArray[np.intp]
    details: pa.Table
    repeated: int

    def __len__(self) -> int:
        return len(self.id)

    @property
    def features(self) -> list[str]:
        """The features that were logged."""
        return [
            name.removeprefix(FEATURE)
            for name in self.details.column_names
            if name.startswith(FEATURE)
        ]


def read_answered(run: Run, day: date) -> Answered | None:
    """The answers to events of `day`, given from a day before it to the policy's `late_hours` after
    it.

    Hour after hour, so that at no time more than the day's features are held. None where no event
    of the day was answered.
    """
    import pyarrow as pa

    schema = run.use_case.stored_features.schema
    folder = answers_folder(run.settings.home, run.use_case.name)
    begin, end = day_start(day), day_start(day + timedelta(days=1))
    parts: list[dict[str, NDArray[Any]]] = []
    tables: list[pa.Table] = []
    for number in range(48 + run.use_case.serving.late_hours):
        for table in read_answers(
            folder, [midnight(day - timedelta(days=1)) + number * HOUR], writers=True
        ):
            columns = _columns(table, schema)
            chosen = (columns[schema.time] >= begin) & (columns[schema.time] < end)
            kept = [
                name for name in table.column_names if name in _TOLD or name.startswith(FEATURE)
            ]
            parts.append(columns)
            tables.append(table.select(kept).filter(pa.array(chosen)))
    if not sum(table.num_rows for table in tables):
        return None
    every = _with_policy(pa.concat_tables(tables, promote_options="default"))
    return _answered(parts, every, schema, begin, end)


def _with_policy(table: pa.Table) -> pa.Table:
    """The table with `by_policy` in every row, for those of an earlier version by what their reason
    says.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    said = pc.fill_null(pc.starts_with(table["reason"], _POLICY_REASON), False)
    if BY_POLICY not in table.column_names:
        return table.append_column(BY_POLICY, said)
    by_policy = table[BY_POLICY].cast(pa.bool_())
    return table.set_column(
        table.column_names.index(BY_POLICY), BY_POLICY, pc.coalesce(by_policy, said)
    )


def _columns(table: pa.Table, schema: EventSchema) -> dict[str, NDArray[Any]]:
    """What is needed of every answer."""
    plain = (schema.id, *schema.keys, _CENTS, _FLAGS)
    return {
        **{name: table[name].to_numpy(zero_copy_only=False) for name in plain},
        schema.time: arrow_microseconds(table[schema.time]),
        _AT: arrow_microseconds(table[_AT]),
        WRITER: table[WRITER].to_numpy(zero_copy_only=False),
    }


def _answered(
    parts: list[dict[str, NDArray[Any]]], table: pa.Table, schema: EventSchema, begin: int, end: int
) -> Answered:
    """The rows of all tables by when they were answered, without those of later days and
    repetitions.
    """
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    time = columns[schema.time]
    of_day = (time >= begin) & (time < end)
    order = np.argsort(columns[_AT], kind="stable")
    order = order[time[order] < end]
    _, first = np.unique(columns[schema.id][order], return_index=True)
    order = order[np.sort(first)]
    today = np.flatnonzero(of_day[order])
    places = np.cumsum(of_day) - 1
    rows = {name: values[order] for name, values in columns.items()}
    return Answered(
        id=rows[schema.id],
        time=rows[schema.time],
        cents=rows[_CENTS],
        stamp=rows[_AT],
        keys={entity.name: rows[entity.key] for entity in schema.entities},
        writer=np.unique(rows[WRITER], return_inverse=True)[1],
        flags=rows[_FLAGS].astype(np.uint8),
        today=today,
        details=table.take(places[order[today]]),
        repeated=int(of_day.sum()) - len(today),
    )
