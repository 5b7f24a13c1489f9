"""Spark columns of events as the engine has them, for batch, states, replay and parity alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column


def microseconds(time: str | Column) -> Column:
    """A TIMESTAMP as BIGINT microseconds since 1970 UTC; null stays null."""
    from pyspark.sql import functions

    return functions.unix_micros(time)


def cents(amount: str) -> Column:
    """A DECIMAL(p, 2) as BIGINT hundredths, exactly."""
    from pyspark.sql import functions

    return (functions.col(amount) * 100).cast("bigint")
