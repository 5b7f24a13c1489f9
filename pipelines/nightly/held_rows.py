"""Rows computed once, looked at by a gate and written after it: in memory where they are few, else
kept by Spark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from expectations.frame import SMALL_ROWS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from expectations.frame import Frame


@dataclass(frozen=True, kw_only=True)
class HeldRows:
    """`to_judge` and `to_write` hold the same rows; `counts` says how many a day has (days without
    any are absent).
    """

    to_judge: Frame
    to_write: DataFrame
    counts: Mapping[date, int]


@contextmanager
def held(frame: DataFrame, *, rows: int, small: int = SMALL_ROWS) -> Iterator[HeldRows]:
    """Hold the rows of `frame` (about `rows` of them, with a column `day` DATE) while a gate and a
    writer use them.
    """
    if rows <= small:
        yield _in_memory(frame)
        return
    kept = frame.persist()
    try:
        counts = {row["day"]: int(row["count"]) for row in kept.groupBy("day").count().collect()}
        yield HeldRows(to_judge=kept, to_write=kept, counts=counts)
    finally:
        kept.unpersist()


def _in_memory(frame: DataFrame) -> HeldRows:
    """The rows by way of this process; written by one task, in one file a day."""
    table = frame.toArrow()
    counts = {
        entry["values"]: entry["counts"]
        for entry in table.column("day").combine_chunks().value_counts().to_pylist()
    }
    written = frame.sparkSession.createDataFrame(table, schema=frame.schema).coalesce(1)
    return HeldRows(to_judge=table.to_pandas(), to_write=written, counts=counts)
