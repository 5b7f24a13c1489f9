"""A source's rows as the use case declares its events, with their labels; and the rows that do not
fit.

One value that cannot be read costs its row, not the file: the row is kept as text, for ingest to
quarantine. A row without a readable time belongs to no day and is rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.arrow_types import arrow_type, repeated
from pipelines.base.printable import shown
from pipelines.importing.conversion.column_values import ColumnValues, Problem, mask_of
from pipelines.importing.conversion.ids import convert_id
from pipelines.importing.conversion.labels import labels_of
from pipelines.importing.conversion.numbers import convert_number
from pipelines.importing.conversion.plain_values import convert_plain
from pipelines.importing.conversion.source_files import FileContent, misfit, read_file
from pipelines.importing.conversion.times import INSTANT, convert_time
from pipelines.importing.mapping.declared_columns import (
    IdColumn,
    NumberColumn,
    PlainColumn,
    TimeColumn,
)
from pipelines.importing.mapping.definition import Mapping, RowFilter
from pipelines.importing.mapping.label_values import label_value
from pipelines.usecases.definition import Column, Feed

LABEL, VALUE, TIME = "_label", "_value", "_time"
"""Columns beside the feed's own: label (int8), its value as text, and of rows kept as text their
time.
"""

FINDINGS = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("rule", pa.string()),
        ("column", pa.string()),
        ("shown", pa.string()),
        ("time", INSTANT),
    ]
)


@dataclass(frozen=True)
class FileRows:
    """The rows of one file.

    `good`: the feed's columns in their types, `_label` int8 and `_value` string. `unreadable`: rows
    with a value that could not be read, the feed's columns as text, `_time`, `_label`, `_value`.
    `findings` (see `FINDINGS`): what was wrong, a row of it for each value, `time` null where the
    row was rejected as its time could not be read. `filtered`: rows that the mapping leaves out.
    `notes`: values that were changed as the mapping declares.
    """

    path: Path
    rows: int
    good: Any
    unreadable: Any
    findings: Any
    filtered: int = 0
    notes: dict[str, int] = field(default_factory=dict)


def read_events(
    path: Path, mapping: Mapping, feed: Feed, key: bytes, *, limit: int | None = None
) -> FileRows:
    """The events of a source file (of its first rows, where there is a `limit`).

    `key` is that of the ids which the mapping wants hashed. Raises `ConfigurationError` where the
    file is of another kind, and one that lists every column that is missing, or of a type that
    cannot hold what the feed declares.
    """
    content = read_file(path, mapping, limit=limit)
    kept = _kept(content.table, mapping)
    table, numbers = content.table.filter(pa.array(kept)), content.numbers[kept]

    columns: dict[str, ColumnValues] = {}
    mistakes = []
    for column in feed.columns:
        if column.name not in mapping.events:
            columns[column.name] = _not_yet_there(column, table.num_rows)
            continue
        try:
            columns[column.name] = _converted(table, mapping, column.name, column.type, key)
        except (pa.ArrowException, ValueError) as error:
            mistakes.append(
                f"{_typed(table, mapping, column.name)} as {column.name} {column.type}:"
                f" {shown(str(error))}"
            )

    try:
        labels, values = labels_of(table[mapping.labels.column], mapping.labels)
    except (pa.ArrowException, ValueError) as error:
        kind = table[mapping.labels.column].type
        mistakes.append(
            f"{mapping.labels.column} ({kind}) against labels.positive: {shown(str(error))}"
        )

    if mistakes:
        raise misfit(path, mapping, "; ".join(mistakes))

    mapped = [name for name in columns if name in mapping.events]
    findings = pa.concat_tables(
        [
            _broken_lines(content),
            *(_findings(path, numbers, columns, name, mapping, feed) for name in mapped),
            *(
                _missing(path, numbers, columns, name, mapping, feed)
                for name in mapped
                if name != feed.time
            ),
        ]
    )
    _require_before_added(path, mapping, feed, columns[feed.time].values)
    good, unreadable = _split(columns, labels, values, feed)

    notes: dict[str, int] = {}
    for converted in columns.values():
        notes.update(converted.notes)
    return FileRows(path, content.rows, good, unreadable, findings, int((~kept).sum()), notes)


def as_texts(table: Any, feed: Feed) -> Any:
    """The feed's columns as the text that lands in a CSV file, which ingest reads as the same
    values.
    """
    return pa.table({column.name: _as_text(table[column.name]) for column in feed.columns})


def _not_yet_there(column: Column, rows: int) -> ColumnValues:
    """The values of an added column that the mapping leaves out: its default."""
    return ColumnValues(repeated(column.default, column.type, rows))


def _require_before_added(path: Path, mapping: Mapping, feed: Feed, times: Any) -> None:
    """Raise where an added column is left out and the file has rows of days that must have it."""
    newest = pc.max(times).as_py()
    for column in feed.added:
        if column.name in mapping.events or newest is None or column.added_on is None:
            continue
        if newest.date() >= column.added_on:
            raise misfit(
                path,
                mapping,
                f"rows up to {newest.date()}, and {column.name} is a column of {feed.name} since"
                f" {column.added_on}: events.{column.name} has to say what it is made of",
            )


def _converted(
    table: Any, mapping: Mapping, name: str, spark_type: str, key: bytes
) -> ColumnValues:
    column, wanted = mapping.events[name], arrow_type(spark_type)
    raw = [table[source] for source in column.sources]
    if isinstance(column, TimeColumn):
        return convert_time(raw, column, mapping.source, name)
    if isinstance(column, IdColumn):
        return convert_id(raw, column, name, wanted, key if name in mapping.keyed else None)
    if isinstance(column, NumberColumn):
        return convert_number(raw[0], column, name, wanted)
    assert isinstance(column, PlainColumn)
    return convert_plain(raw[0], column, name, wanted)


def _split(
    columns: dict[str, ColumnValues], labels: Any, values: Any, feed: Feed
) -> tuple[Any, Any]:
    """Rows whose values could all be read, and the others as text; rows without a time are in
    neither.
    """
    timed = ~columns[feed.time].bad
    bad = np.zeros(len(labels), dtype=bool)
    for column in columns.values():
        bad |= column.bad
    everything = pa.table(
        {
            **{column.name: columns[column.name].values for column in feed.columns},
            LABEL: pa.array(labels, pa.int8()),
            VALUE: values,
        }
    )
    good = everything.filter(pa.array(timed & ~bad))
    rows = np.flatnonzero(timed & bad)
    if not len(rows):
        return good, _without_rows(feed)
    others = everything.take(pa.array(rows))
    texts = as_texts(others, feed)
    for place, name in enumerate(texts.column_names):
        texts = texts.set_column(place, name, _with_landed(texts[name], columns[name], rows))
    unreadable = texts.append_column(TIME, others[feed.time])
    return good, unreadable.append_column(LABEL, others[LABEL]).append_column(VALUE, others[VALUE])


def _with_landed(texts: Any, column: ColumnValues, rows: Any) -> Any:
    """The texts of some rows, with what lands in the place of each value that could not be read."""
    landed: dict[int, str | None] = {}
    for problem in column.problems:
        landed.update(zip(problem.rows.tolist(), problem.landed, strict=True))
    if not landed:
        return texts
    values = [
        landed.get(row, text) for row, text in zip(rows.tolist(), texts.to_pylist(), strict=True)
    ]
    return pa.array(values, pa.string())


def _without_rows(feed: Feed) -> Any:
    texts = pa.schema([(column.name, pa.string()) for column in feed.columns])
    others = pa.schema([(TIME, INSTANT), (LABEL, pa.int8()), (VALUE, pa.string())])
    return pa.unify_schemas([texts, others]).empty_table()


def _findings(
    path: Path,
    numbers: Any,
    columns: dict[str, ColumnValues],
    name: str,
    mapping: Mapping,
    feed: Feed,
) -> Any:
    """What was wrong with the values of one column."""
    tables = [
        _finding(path, numbers, columns[feed.time], mapping, name, problem)
        for problem in columns[name].problems
    ]
    return pa.concat_tables(tables) if tables else FINDINGS.empty_table()


def _missing(
    path: Path,
    numbers: Any,
    columns: dict[str, ColumnValues],
    name: str,
    mapping: Mapping,
    feed: Feed,
) -> Any:
    """Rows without a value in a column whose mapping does not say that this is so."""
    declared = mapping.events[name]
    column = columns[name]
    if isinstance(declared, NumberColumn) and declared.nullable:
        return FINDINGS.empty_table()
    rows = np.flatnonzero(~mask_of(column.values.is_valid()) & ~column.bad)
    if not len(rows):
        return FINDINGS.empty_table()
    missing = Problem(f"{name}_missing", rows, (None,) * len(rows), ("(empty)",) * len(rows))
    return _finding(path, numbers, columns[feed.time], mapping, name, missing)


def _finding(
    path: Path, numbers: Any, times: ColumnValues, mapping: Mapping, name: str, problem: Problem
) -> Any:
    rows = pa.array(problem.rows)
    count = len(problem.rows)
    return pa.table(
        {
            "file": pa.array([path.name] * count, pa.string()),
            "row": pa.array(numbers[problem.rows], pa.int64()),
            "rule": pa.array([problem.rule] * count, pa.string()),
            "column": pa.array([mapping.described(name)] * count, pa.string()),
            "shown": pa.array(problem.shown, pa.string()),
            "time": times.values.take(rows),
        },
        schema=FINDINGS,
    )


def _broken_lines(content: FileContent) -> Any:
    """Lines of a CSV file that have more or fewer fields than its header: nothing of them is
    shown.
    """
    return pa.Table.from_pylist(
        [
            {
                "file": content.path.name,
                "row": number,
                "rule": "malformed_row",
                "column": "",
                "shown": f"{fields} fields where the header has {content.fields}",
            }
            for number, fields in content.broken
        ],
        schema=FINDINGS,
    )


def _kept(table: Any, mapping: Mapping) -> Any:
    """Which rows the mapping's filters let pass (numpy bool)."""
    kept = np.ones(table.num_rows, dtype=bool)
    for row_filter in mapping.keep:
        kept &= _fits(table[row_filter.column], row_filter)
    for row_filter in mapping.drop:
        kept &= ~_fits(table[row_filter.column], row_filter)
    return kept


def _fits(values: Any, row_filter: RowFilter) -> Any:
    texts = values.cast(pa.string()).combine_chunks()
    different = pc.unique(texts).to_pylist()
    meant = np.array([_fits_value(text, row_filter) for text in different], dtype=bool)
    if not len(texts):
        return np.array([], dtype=bool)
    return meant[
        pc.index_in(texts, value_set=pa.array(different, pa.string())).to_numpy(
            zero_copy_only=False
        )
    ]


def _fits_value(text: str | None, row_filter: RowFilter) -> bool:
    value = label_value(text)
    if not value:
        return row_filter.empty
    if value in {label_value(listed) for listed in row_filter.values}:
        return True
    try:
        number = float(value)
    except ValueError:
        return False
    below = row_filter.below is not None and number < row_filter.below
    above = row_filter.above is not None and number > row_filter.above
    return below or above


def _as_text(values: Any) -> Any:
    if pa.types.is_timestamp(values.type):
        return pc.strftime(values, format="%Y-%m-%d %H:%M:%SZ")
    return values.cast(pa.string())


def _typed(table: Any, mapping: Mapping, name: str) -> str:
    sources: Sequence[str] = mapping.events[name].sources
    return " + ".join(f"{source} ({table[source].type})" for source in sources)


def unlabelled(table: Any) -> Any:
    """The feed's columns of a table of rows, without those that stand beside them."""
    return table.drop_columns([name for name in (LABEL, VALUE, TIME) if name in table.column_names])


def between(table: Any, column: str, start: Any, end: Any) -> Any:
    """The rows of a table whose time lies in [start, end)."""
    times = table[column]
    inside = pc.and_(
        pc.greater_equal(times, pa.scalar(start, INSTANT)), pc.less(times, pa.scalar(end, INSTANT))
    )
    return table.filter(pa.array(mask_of(inside.combine_chunks())))
