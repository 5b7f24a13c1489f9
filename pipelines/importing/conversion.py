"""A source's columns as the use case declares them: names, types, times in UTC, and which rows are positive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pipelines.importing.keyed_ids import keyed_column
from pipelines.importing.mapping import Mapping
from pipelines.platform.arrow_types import arrow_type
from pipelines.platform.card_numbers import mask_card_numbers
from pipelines.platform.errors import ConfigurationError
from pipelines.usecases.definition import Feed

POSITIVE = "_positive"


def read_events(path: Path, mapping: Mapping, feed: Feed, key: bytes) -> Any:
    """The events of a source file: an Arrow table with the feed's columns, and `_positive` bool.

    `key` is that of the ids which the mapping wants hashed. Raises `ConfigurationError` that lists every column that is
    missing or cannot be had in its declared type.
    """
    raw = _read(path, mapping)
    columns: dict[str, Any] = {}
    problems = []
    for column in feed.columns:
        source = mapping.events[column.name]
        try:
            values = keyed_column(raw[source], key, column.name) if column.name in mapping.keyed else raw[source]
            columns[column.name] = _converted(values, arrow_type(column.type), mapping)
        except (pa.ArrowException, ValueError) as error:
            problems.append(f"{source} ({raw[source].type}) as {column.name} {column.type}: {error}")
    try:
        columns[POSITIVE] = _positives(raw[mapping.labels.column], mapping)
    except (pa.ArrowException, ValueError) as error:
        problems.append(f"{mapping.labels.column} ({raw[mapping.labels.column].type}) against labels.positive: {error}")
    if feed.time in columns and columns[feed.time].null_count:
        problems.append(f"{mapping.events[feed.time]}: {columns[feed.time].null_count:,} rows without a time")
    if problems:
        raise _misfit(path, mapping, "; ".join(problems))
    return pa.table(columns)


def _read(path: Path, mapping: Mapping) -> Any:
    """The mapped columns of the file as they are (CSV: all of them text)."""
    wanted = mapping.source_columns
    try:
        if mapping.source.format == "parquet":
            found = pa.parquet.read_schema(path).names
            _require(path, mapping, wanted, found)
            return pa.parquet.read_table(path, columns=wanted)
        parse = pa.csv.ParseOptions(delimiter=mapping.source.delimiter, newlines_in_values=True)
        with pa.csv.open_csv(path, parse_options=parse) as reader:
            found = reader.schema.names
        _require(path, mapping, wanted, found)
        text = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted, strings_can_be_null=True
        )
        return pa.csv.read_csv(path, parse_options=parse, convert_options=text)
    except (pa.ArrowException, OSError) as error:
        raise _misfit(path, mapping, f"not a readable {mapping.source.format} file: {error}") from error


def _require(path: Path, mapping: Mapping, wanted: list[str], found: list[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise _misfit(path, mapping, f"no {', '.join(missing)} (there is {', '.join(found)})")


def _converted(values: Any, wanted: Any, mapping: Mapping) -> Any:
    if pa.types.is_timestamp(wanted):
        return _in_utc(values, wanted, mapping)
    if pa.types.is_decimal(wanted) and pa.types.is_floating(values.type):
        return pc.round(values, wanted.scale).cast(wanted)
    if pa.types.is_decimal(wanted) and pa.types.is_integer(values.type):
        return values.cast(pa.decimal128(19 + wanted.scale, wanted.scale)).cast(wanted)
    return values.cast(wanted)


def _in_utc(values: Any, wanted: Any, mapping: Mapping) -> Any:
    """Timestamps in UTC, microseconds; a local time that occurs twice or never is taken as the earlier instant."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = _parsed(values, mapping.source.time_format)
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(values.type):
        raise ValueError("expected timestamps, dates or text")
    if values.type.tz is None:
        zone = mapping.source.time_zone
        values = pc.assume_timezone(values, zone, ambiguous="earliest", nonexistent="earliest")
    return values.cast(pa.timestamp(values.type.unit, tz="UTC")).cast(wanted, safe=False)


def _parsed(values: Any, time_format: str | None) -> Any:
    if time_format:
        return pc.strptime(values, format=time_format, unit="us")
    try:
        return values.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return values.cast(pa.timestamp("us", tz="UTC"))


def _positives(values: Any, mapping: Mapping) -> Any:
    """Whether each value is one of those that mean a positive label; null is not."""
    meant = mapping.labels.positive
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    value_set = pa.array([str(value) for value in meant] if text else meant).cast(values.type)
    return pc.is_in(values, value_set=value_set)


def _misfit(path: Path, mapping: Mapping, found: str) -> ConfigurationError:
    return ConfigurationError(
        "a source file does not fit the mapping",
        where=str(path),
        expected=f"a {mapping.source.format} file with {', '.join(mapping.source_columns)}",
        found=mask_card_numbers(found),
        next_step="correct the mapping or the file; what was imported before it is complete",
    )
