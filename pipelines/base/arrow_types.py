"""Arrow types of the Spark SQL types that feeds are declared with, so that files are written with exactly those."""

from __future__ import annotations

import re
from typing import Any

from pipelines.base.errors import ConfigurationError

_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def arrow_type(spark_type: str) -> Any:
    """The `pyarrow.DataType` of a Spark SQL type; timestamps are microseconds in UTC. Raises `ConfigurationError`."""
    import pyarrow as pa

    plain = {
        "bigint": pa.int64(),
        "int": pa.int32(),
        "double": pa.float64(),
        "string": pa.string(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    if decimal := _DECIMAL.fullmatch(spark_type.lower()):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    if spark_type.lower() not in plain:
        raise ConfigurationError(
            "a feed's column has a type that files cannot carry",
            expected=f"{', '.join(plain)}, decimal(p,s)",
            found=spark_type,
            next_step="change the column's type in the use case",
        )
    return plain[spark_type.lower()]
