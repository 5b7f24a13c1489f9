"""A landed day as an import keeps it: each row once, in one order, so that the same rows are always
the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from pipelines.base.arrow_types import arrow_type, repeated
from pipelines.base.errors import ContractError
from pipelines.landing.landing import Landing
from pipelines.landing.part_files import LandedPart
from pipelines.usecases.definition import Feed


@dataclass(frozen=True)
class LandedDay:
    """The rows of one day of a feed: `typed` in the feed's types, `texts` those with a value that
    could not be read.
    """

    typed: Any
    texts: Any

    @property
    def rows(self) -> int:
        """All rows."""
        return int(self.typed.num_rows + self.texts.num_rows)


def empty_day(feed: Feed) -> LandedDay:
    """A day without rows."""
    return LandedDay(typed_schema(feed).empty_table(), text_schema(feed).empty_table())


def typed_schema(feed: Feed) -> Any:
    """The Arrow schema of a feed's rows in their declared types."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in feed.columns])


def text_schema(feed: Feed) -> Any:
    """The same columns, all of them text."""
    return pa.schema([(column.name, pa.string()) for column in feed.columns])


def together(feed: Feed, *days: LandedDay) -> LandedDay:
    """The rows of several, each row once: ordered by time, key and content."""
    typed = pa.concat_tables([day.typed.cast(typed_schema(feed)) for day in days])
    texts = pa.concat_tables([day.texts.cast(text_schema(feed)) for day in days])
    first = list(dict.fromkeys([feed.time, *feed.key]))
    others = [column.name for column in feed.columns if column.name not in first]
    return LandedDay(
        _once(typed, [*first, *others], feed.key[0]), _once(texts, [*first, *others], feed.key[0])
    )


def read_day(landing: Landing, feed: Feed, day: date) -> LandedDay | None:
    """What a day of the feed holds, or None where it has not arrived.

    Raises `ContractError` where its files are not what its manifest says, or do not have the feed's
    columns.
    """
    if not landing.arrival(feed.name, day).arrived:
        return None
    content = empty_day(feed)
    with tempfile.TemporaryDirectory() as scratch:
        for path in landing.fetch(feed.name, day, Path(scratch)):
            content = together(feed, content, _read(path, feed, day))
    return content


def write_day(landing: Landing, feed: Feed, day: date, content: LandedDay) -> bool:
    """Land the rows of a day in the place of what it holds; whether anything had to be written."""
    parts = [LandedPart("parquet", content.typed)]
    if content.texts.num_rows:
        parts.append(LandedPart("csv.gz", content.texts))
    return landing.replace_day(feed.name, day, parts)


def row_keys(day: LandedDay, feed: Feed) -> tuple[Any, Any]:
    """For each row of both tables its key as text (parts joined by a bar); null where a part of it
    is missing.
    """
    return _keys(day.typed, feed), _keys(day.texts, feed)


def _keys(table: Any, feed: Feed) -> Any:
    parts = [table[name].cast(pa.string()).combine_chunks() for name in feed.key]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|")


def each_row_once(table: Any, key: str) -> Any:
    """The rows of a table, each once; nothing is compared where no two rows share `key`."""
    values = table[key]
    if not values.null_count and pc.count_distinct(values).as_py() == table.num_rows:
        return table
    unique = table.group_by(table.column_names, use_threads=False).aggregate([])
    return unique.select(table.column_names).cast(table.schema)


def _once(table: Any, order: list[str], key: str) -> Any:
    return (
        each_row_once(table, key).sort_by([(name, "ascending") for name in order]).combine_chunks()
    )


def _with_added(table: Any, feed: Feed) -> Any:
    """The rows with the columns that were added to the feed since they landed."""
    for column in feed.added:
        if column.name not in table.column_names:
            values = repeated(column.default, column.type, table.num_rows)
            table = table.append_column(column.name, values)
    return table


def _read(path: Path, feed: Feed, day: date) -> LandedDay:
    empty = empty_day(feed)
    try:
        if path.name.endswith(".parquet"):
            table = _with_added(pa.parquet.read_table(path, partitioning=None), feed)
            return LandedDay(
                table.select(typed_schema(feed).names).cast(typed_schema(feed)), empty.texts
            )
        names, *rows = csv.reader(
            io.StringIO(gzip.decompress(path.read_bytes()).decode(), newline="")
        )
        full = [[value or None for value in row] for row in rows if row]
        columns = {
            name: pa.array([row[names.index(name)] for row in full], pa.string())
            for name in text_schema(feed).names
            if name in names or name not in {column.name for column in feed.added}
        }
        texts = _with_added(pa.table(columns), feed)
        return LandedDay(empty.typed, texts.select(text_schema(feed).names).cast(text_schema(feed)))
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        raise ContractError(
            "a landed day cannot be added to",
            where=str(path),
            day=str(day),
            expected=f"files with {', '.join(text_schema(feed).names)}",
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
            next_step=(
                "ask its sender for a correct file, or take the day out of the landing zone;"
                " nothing was changed"
            ),
        ) from error
