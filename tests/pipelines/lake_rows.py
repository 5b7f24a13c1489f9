"""Rows into a lake's tables without Spark, which takes seconds for each: what tests start from."""

from __future__ import annotations

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from pipelines.base.days import DayRange
from pipelines.run import Run


def replace_rows(run: Run, table: str, rows: pa.Table, days: DayRange) -> None:
    """As `Lake.replace_days`: the days' rows, in one commit that says where they come from."""
    path = run.lake.path(table)
    predicate = (
        f"day >= '{days.first}' AND day <= '{days.last}'"
        if DeltaTable.is_deltatable(path)
        else None
    )
    said = run.provenance("setup").to_json(days=days)
    write_deltalake(
        path,
        rows,
        mode="overwrite",
        predicate=predicate,
        partition_by=["day"],
        commit_properties=CommitProperties(custom_metadata={"userMetadata": said}),
    )
