"""Arrow types of the types that feeds are declared with, for the files that are written."""

from __future__ import annotations

from typing import Any

from pipelines.base.column_types import parse_column_type


def arrow_type(declared: str) -> Any:
    """The `pyarrow.DataType` of a declared type; timestamps are microseconds in UTC.

    Raises `ConfigurationError`.
    """
    import pyarrow as pa

    column_type = parse_column_type(declared)
    if column_type.kind == "decimal":
        return pa.decimal128(column_type.precision, column_type.scale)
    plain = {
        "bigint": pa.int64(),
        "int": pa.int32(),
        "double": pa.float64(),
        "string": pa.string(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return plain[column_type.kind]


def repeated(value: object, declared: str, rows: int) -> Any:
    """A `pyarrow.Array` of the declared type that holds one value in all its rows.

    Dates and times may be ISO 8601 text, decimals text. Raises `pyarrow.ArrowInvalid` where the
    value is not of the type.
    """
    import pyarrow as pa

    return pa.repeat(pa.scalar(str(value)).cast(arrow_type(declared)), rows)
