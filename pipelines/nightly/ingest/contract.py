"""The schema contract of a part file, read from footer or header: names, order, types, before any
row is read.
"""

from __future__ import annotations

import csv
import gzip
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.column_types import parse_column_type
from pipelines.base.errors import ContractError
from pipelines.usecases.definition import Column, Feed

if TYPE_CHECKING:
    import pyarrow

_BITS = {"bigint": 64, "int": 32}


def contract_problems(feed: Feed, path: Path, day: date) -> list[str]:
    """What differs from the feed's declared columns, in words; an empty list where nothing does.

    `day` is the landing day: a file from before a column was added may lack it.

    Columns stand in the declared order. A Parquet column may be of a narrower type that every value
    of survives the cast (int32 for bigint, milliseconds for microseconds); the text of CSV is
    judged value by value instead.
    """
    header = column_names(path)
    declared = [
        column.name
        for column in feed.columns
        if column.name in header or not _is_later(column, day)
    ]
    problems = _name_problems(declared, header)
    for column in feed.added:
        if f"column {column.name} is missing" in problems:
            problems.append(f"{column.name} is part of the files since {column.added_on}")
    if not path.name.endswith(".parquet"):
        return problems
    schema = _parquet_schema(path)
    types = {
        name: schema.field(name).type for name in schema.names if name in declared and not problems
    }
    return problems + [
        f"{column.name} is {types[column.name]}, not {column.type}"
        for column in feed.columns
        if column.name in types and not _fits(types[column.name], column.type)
    ]


def column_names(path: Path) -> list[str]:
    """The columns of a part file, in their order."""
    if path.name.endswith(".parquet"):
        return list(_parquet_schema(path).names)
    return _csv_header(path)


def _is_later(column: Column, day: date) -> bool:
    """Whether the column was added after that landing day."""
    return column.added_on is not None and day < column.added_on


def in_microseconds(path: Path, scratch: Path, feed: str, day: date) -> Path:
    """The file, or a copy below `scratch` with its nanosecond timestamps (which Spark cannot read)
    in microseconds.

    Raises `ContractError` where a value has a part smaller than a microsecond: it would be lost.
    """
    if not path.name.endswith(".parquet"):
        return path
    schema = _parquet_schema(path)
    if not any(_is_nanoseconds(field.type) for field in schema):
        return path
    import pyarrow
    import pyarrow.parquet

    fields = [
        f.with_type(_as_microseconds(f.type)) if _is_nanoseconds(f.type) else f for f in schema
    ]
    try:
        table = pyarrow.parquet.read_table(path, partitioning=None).cast(pyarrow.schema(fields))
    except pyarrow.ArrowInvalid as error:
        raise ContractError(
            "a timestamp is finer than a microsecond",
            where=str(path),
            day=str(day),
            expected="timestamps in whole microseconds, UTC",
            found=str(error),
            next_step="ask the sender for microseconds; nothing of the day was read",
        ) from error
    target = scratch / "microseconds" / feed / day.isoformat() / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, target)
    return target


def _name_problems(declared: list[str], header: list[str]) -> list[str]:
    """What is wrong with the names; a file without a header has values in their place, card numbers
    among them.
    """
    names = [mask_card_numbers(name) for name in header]
    missing = [name for name in declared if name not in names]
    added = [name for name in names if name not in declared]
    if len(missing) == len(added) == 1 and declared.index(missing[0]) == names.index(added[0]):
        return [f"column {missing[0]} is called {added[0]}"]
    problems = [f"column {name} is missing" for name in missing] + [
        f"column {name} is not declared" for name in added
    ]
    problems += [
        f"column {name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if not problems and names != declared:
        problems.append(f"columns stand in another order: {', '.join(names)}")
    return problems


def _csv_header(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return next(csv.reader(lines), [])


def _parquet_schema(path: Path) -> pyarrow.Schema:
    import pyarrow.parquet

    return pyarrow.parquet.read_schema(path)


def _fits(arrow_type: Any, declared: str) -> bool:
    """Whether every value of the Arrow type `arrow_type` survives a cast to the Spark type
    `declared`.
    """
    from pyarrow import types

    column_type = parse_column_type(declared)
    if column_type.kind == "decimal":
        if not types.is_decimal(arrow_type):
            return False
        whole_digits = column_type.precision - column_type.scale
        return bool(
            arrow_type.scale <= column_type.scale
            and arrow_type.precision - arrow_type.scale <= whole_digits
        )
    if column_type.is_whole:
        return (
            bool(types.is_signed_integer(arrow_type))
            and arrow_type.bit_width <= _BITS[column_type.kind]
        )
    checks = {
        "timestamp": lambda: (
            types.is_timestamp(arrow_type) and arrow_type.unit in {"ms", "us", "ns"}
        ),
        "date": lambda: types.is_date32(arrow_type),
        "double": lambda: types.is_float32(arrow_type) or types.is_float64(arrow_type),
        "string": lambda: types.is_string(arrow_type) or types.is_large_string(arrow_type),
        "boolean": lambda: types.is_boolean(arrow_type),
    }
    return bool(checks[column_type.kind]())


def _is_nanoseconds(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_timestamp(kind)) and kind.unit == "ns"


def _as_microseconds(kind: Any) -> Any:
    import pyarrow

    return pyarrow.timestamp("us", kind.tz)
