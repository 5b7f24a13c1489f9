"""The types that a feed's columns can be declared with: Spark SQL types, read by one parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from pipelines.base.errors import ConfigurationError

Kind = Literal["bigint", "int", "double", "string", "boolean", "date", "timestamp", "decimal"]

PLAIN_KINDS = ("bigint", "int", "double", "string", "boolean", "date", "timestamp")
"""Kinds of columns that have no parameters."""

TYPES_IN_WORDS = f"{', '.join(PLAIN_KINDS)} or decimal(p,s)"
MOST_DIGITS = 38
"""Digits of the widest decimal of Spark and Arrow."""

_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")


@dataclass(frozen=True, kw_only=True)
class ColumnType:
    """A declared type. `precision` and `scale` are a decimal's digits, all and behind the point."""

    kind: Kind
    precision: int = 0
    scale: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers."""
        return self.kind in {"bigint", "int"}

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers of any sort."""
        return self.is_whole or self.kind in {"double", "decimal"}


@lru_cache(maxsize=256)
def parse_column_type(declared: str) -> ColumnType:
    """Read a declared type, in capitals or small letters; raises `ConfigurationError`."""
    text = declared.strip().lower()
    if text in PLAIN_KINDS:
        return ColumnType(kind=cast(Kind, text))
    decimal = _DECIMAL.fullmatch(text)
    if decimal is not None:
        precision, scale = int(decimal[1]), int(decimal[2])
        if scale <= precision and 0 < precision <= MOST_DIGITS:
            return ColumnType(kind="decimal", precision=precision, scale=scale)
    raise ConfigurationError(
        "a feed's column has a type that is not known",
        expected=TYPES_IN_WORDS,
        found=declared,
        next_step="change the column's type in the use case",
    )
