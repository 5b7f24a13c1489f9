"""Landed files as one Spark frame: declared columns in declared types, and the row as it landed
beside them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.column_types import parse_column_type
from pipelines.nightly.ingest.contract import column_names
from pipelines.usecases.definition import Column, Feed

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame, SparkSession

LANDED, MALFORMED, FILE, SOURCE_DAY = "_landed", "_malformed", "_file", "source_day"
_LINE = "_line"
_INSTANT = (
    r"^\\d{4}-\\d{2}-\\d{2}[ T]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6}0{0,3})?(Z|[+-]\\d{2}:\\d{2})?$"
)
_WHERE = r"/(\d{4}-\d{2}-\d{2})/([^/]+)$"


_PATTERN = re.compile(r"([\\{}\[\]*?])")
"""Marks of a pattern: Spark would read other files where one stands in the name of a folder."""


def read(spark: SparkSession, feed: Feed, paths: Sequence[Path]) -> list[DataFrame]:
    """Rows of part files, a frame for each format: the feed's columns in their types, `source_day`
    DATE and `_file` STRING (from the path), `_landed` STRUCT (the row as it landed), `_malformed`
    BOOLEAN.

    Files from before a column was added have a frame of their own: the column holds its default,
    and `_landed` lacks it. Without files, one frame without rows.
    """
    frames = []
    for landed, alike in _by_columns(feed, paths):
        parquet = [_as_named(path) for path in alike if path.name.endswith(".parquet")]
        csv = [_as_named(path) for path in alike if not path.name.endswith(".parquet")]
        if parquet:
            frames.append(_with_defaults(_read_parquet(spark, landed, parquet), feed, landed))
        if csv:
            frames.append(_with_defaults(_read_csv(spark, landed, csv), feed, landed))
    return frames or [_without_rows(spark, feed)]


def _by_columns(feed: Feed, paths: Sequence[Path]) -> list[tuple[Feed, list[Path]]]:
    """The files, those with the same columns together, each with the feed as it landed there.

    Only the headers of a feed with added columns are read: the contract holds all others.
    """
    if not feed.added:
        return [(feed, list(paths))]
    groups: dict[tuple[Column, ...], list[Path]] = {}
    for path in paths:
        names = column_names(path)
        columns = tuple(column for column in feed.columns if column.name in names)
        groups.setdefault(columns, []).append(path)
    return [(replace(feed, columns=columns), alike) for columns, alike in groups.items()]


def _with_defaults(rows: DataFrame, feed: Feed, landed: Feed) -> DataFrame:
    """The rows with every column of the feed: their defaults in those that did not land."""
    from pyspark.sql import functions as f

    missing = [column for column in feed.columns if column not in landed.columns]
    if not missing:
        return rows  # Spark Connect refuses an empty set of columns
    return rows.withColumns(
        {column.name: f.lit(column.default).cast(column.type) for column in missing}
    )


def _as_named(path: Path) -> str:
    """The path for Spark's readers, every mark of a pattern escaped."""
    return _PATTERN.sub(r"\\\1", str(path))


def _read_parquet(spark: SparkSession, feed: Feed, paths: list[str]) -> DataFrame:
    """Rows of Parquet files, which the contract holds to types that Spark widens by itself; none is
    malformed.
    """
    from pyspark.sql import functions as f

    rows = spark.read.schema(feed.ddl).parquet(*paths)
    landed = f.struct(*(f.col(column.name) for column in feed.columns))
    return rows.select(
        *(column.name for column in feed.columns),
        *_origin(),
        landed.alias(LANDED),
        f.lit(False).alias(MALFORMED),
    )


def _read_csv(spark: SparkSession, feed: Feed, paths: list[str]) -> DataFrame:
    """Rows of gzipped CSV: text that is not of its column's type becomes NULL, `_landed` keeps it.

    A line with more or fewer fields than the header is malformed; `_landed._line` then holds the
    line.
    """
    from pyspark.sql import functions as f

    schema = ", ".join([*(f"`{column.name}` string" for column in feed.columns), f"{_LINE} string"])
    options = {"header": True, "multiLine": True, "quote": '"', "escape": '"', "mode": "PERMISSIVE"}
    rows = spark.read.schema(schema).options(columnNameOfCorruptRecord=_LINE, **options).csv(paths)
    landed = f.struct(*(f.col(column.name) for column in feed.columns), f.col(_LINE))
    return rows.select(
        *(_parsed(column).alias(column.name) for column in feed.columns),
        *_origin(),
        landed.alias(LANDED),
        f.col(_LINE).isNotNull().alias(MALFORMED),
    )


def _without_rows(spark: SparkSession, feed: Feed) -> DataFrame:
    from pyspark.sql import functions as f

    rows = spark.createDataFrame([], f"{feed.ddl}, {SOURCE_DAY} date, {FILE} string")
    landed = f.struct(*(f.col(column.name) for column in feed.columns))
    return rows.withColumns({LANDED: landed, MALFORMED: f.lit(False)})


def _origin() -> list[Expression]:
    """Landing day and file name, from the file's path."""
    from pyspark.sql import functions as f

    path = f.col("_metadata.file_path")
    return [
        f.regexp_extract(path, _WHERE, 1).cast("date").alias(SOURCE_DAY),
        f.regexp_extract(path, _WHERE, 2).alias(FILE),
    ]


def _parsed(column: Column) -> Expression:
    """The text column in its declared type, NULL where that would lose or invent anything.

    A decimal with more places than declared is not rounded; a timestamp needs all of date and time
    (Spark would complete `2026` or `12:00` to an instant of its own), its zone is UTC unless it
    says otherwise.
    """
    from pyspark.sql import functions as f

    text = f"trim(`{column.name}`)"
    kind = parse_column_type(column.type).kind
    if kind == "string":
        return f.col(f"`{column.name}`")
    if kind == "decimal":
        exact, kept = f"try_cast({text} as decimal(38,18))", f"try_cast({text} as {column.type})"
        return f.expr(f"case when {exact} = {kept} then {kept} end")
    if kind == "timestamp":
        return f.expr(f"case when {text} rlike '{_INSTANT}' then try_cast({text} as timestamp) end")
    return f.expr(f"try_cast({text} as {column.type})")
