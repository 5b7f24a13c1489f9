"""Frames on their way into a gate: a small Spark frame becomes pandas, a large one stays; both then
mean the same.

Great Expectations takes 0.02 s for ten checks of 10,000 rows in pandas and some 3 s (13 jobs) in
Spark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    Frame: TypeAlias = DataFrame | pd.DataFrame

SMALL_ROWS = 200_000


def gate_frame(frame: DataFrame, limit: int = SMALL_ROWS, *, rows: int | None = None) -> Frame:
    """The Spark frame's rows as a pandas frame if there are at most `limit` of them, else the Spark
    frame itself.

    `rows` is their number where the caller knows it; otherwise one job fetches up to `limit` + 1
    rows to find out.
    """
    if rows is not None:
        return to_pandas(frame) if rows <= limit else frame
    local = to_pandas(frame.limit(limit + 1))
    return local if len(local) <= limit else frame


def to_pandas(frame: DataFrame) -> pd.DataFrame:
    """All rows over Arrow: decimals as float64 (a gate compares, it does not add), everything else
    as pandas has it.
    """
    from pyspark.sql import functions as f
    from pyspark.sql.types import DecimalType

    decimals = {
        field.name: f.col(f"`{field.name}`").cast("double")
        for field in frame.schema.fields
        if isinstance(field.dataType, DecimalType)
    }
    return frame.withColumns(decimals).toPandas() if decimals else frame.toPandas()


def comparable(frame: Frame) -> Frame:
    """The frame with values that mean the same in both engines: flags as 0 and 1, and in Spark NaN
    as null.

    Left alone, NaN passes `not null` in Spark and exceeds every maximum, and flags have a mean in
    pandas only.
    """
    if is_pandas(frame):
        flags = frame.select_dtypes("bool").columns
        return frame.astype(dict.fromkeys(flags, "int64")) if len(flags) else frame
    from pyspark.sql import functions as f
    from pyspark.sql.types import BooleanType, DoubleType, FloatType

    replaced = {}
    for field in frame.schema.fields:
        column = f.col(f"`{field.name}`")
        if isinstance(field.dataType, DoubleType | FloatType):
            replaced[field.name] = f.when(~f.isnan(column), column)
        elif isinstance(field.dataType, BooleanType):
            replaced[field.name] = column.cast("int")
    return frame.withColumns(replaced) if replaced else frame


def is_pandas(frame: Any) -> bool:
    """Whether the frame is a pandas one (told without importing either library)."""
    return type(frame).__module__.partition(".")[0] == "pandas"
