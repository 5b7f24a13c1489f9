"""Declared column types: any spelling is read, and what nobody knows is refused by name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.base.arrow_types import arrow_type
from pipelines.base.column_types import PLAIN_KINDS, parse_column_type
from pipelines.base.errors import ConfigurationError


@pytest.mark.parametrize(
    "declared", ["decimal(12,2)", "decimal(12, 2)", "DECIMAL( 12 , 2 )", " decimal(12,2) "]
)
def test_a_decimal_is_read_in_any_spelling(declared: str) -> None:
    column_type = parse_column_type(declared)
    assert (column_type.kind, column_type.precision, column_type.scale) == ("decimal", 12, 2)
    assert arrow_type(declared) == pa.decimal128(12, 2)


@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_every_kind_has_an_arrow_type(kind: str) -> None:
    assert parse_column_type(kind.upper()).kind == kind
    assert isinstance(arrow_type(kind), pa.DataType)


@pytest.mark.parametrize(
    "declared",
    ["smallint", "float", "decimal", "decimal(39,2)", "decimal(2,3)", "decimal(0,0)", ""],
)
def test_any_other_type_is_refused_with_those_that_are_known(declared: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_column_type(declared)
    assert "bigint" in str(raised.value)
    assert "decimal(p,s)" in str(raised.value)


def test_whole_numbers_are_numbers_and_texts_are_not() -> None:
    wholes = {kind for kind in (*PLAIN_KINDS, "decimal(5,0)") if parse_column_type(kind).is_whole}
    numbers = {kind for kind in (*PLAIN_KINDS, "decimal(5,0)") if parse_column_type(kind).is_number}
    assert wholes == {"bigint", "int"}
    assert numbers == {"bigint", "int", "double", "decimal(5,0)"}
