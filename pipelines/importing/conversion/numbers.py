"""Numbers of a source in the declared type, by one rule for every file format; nothing is rounded
unless declared.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.printable import shown
from pipelines.importing.conversion.column_values import (
    ColumnValues,
    mask_of,
    one_array,
    problem,
    without_blanks,
    without_declared_empty,
)
from pipelines.importing.mapping.declared_columns import NumberColumn

_PLAIN = r"^[+-]?[0-9]{1,15}(\.[0-9]{1,9})?$"
"""Text that Arrow casts to a decimal by itself; other text is looked at one by one."""

_ANY = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_WIDE = pa.decimal128(24, 9)
_MODES = {"half_even": "half_to_even", "half_up": "half_towards_infinity", "down": "towards_zero"}
_DECIMAL_MODES = {"half_even": ROUND_HALF_EVEN, "half_up": ROUND_HALF_UP, "down": ROUND_DOWN}
_BLANKS = "[\\s\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]+"
_NOISE = 1e-14
"""Relative error up to which a double means the decimal next to it: 123.35000000000001 is
123.35.
"""


def convert_number(values: Any, column: NumberColumn, name: str, wanted: Any) -> ColumnValues:
    """Numbers as decimal, int32 or double as `wanted`.

    Text that is no number, a number with more decimals than `wanted` has (unless the mapping says
    how to round), one that is too large, and NaN (unless nullable) are problems of their rows.
    Raises `ValueError` where the raw column is of a type that holds no numbers.
    """
    values = one_array(values)
    texts = _texts(values, column)
    raw = texts
    if column.default is not None:
        texts = texts.fill_null(str(column.default))
        factor = pc.if_else(raw.is_valid(), pa.scalar(column.factor), pa.scalar(Decimal(1)))
    else:
        factor = pa.scalar(column.factor)

    there = mask_of(texts.is_valid())
    plain = mask_of(pc.match_substring_regex(texts, _PLAIN))
    if pa.types.is_floating(wanted):
        return _as_doubles(texts, there, column, name, wanted)

    scale = wanted.scale if pa.types.is_decimal(wanted) else 0
    digits = (wanted.precision - wanted.scale) if pa.types.is_decimal(wanted) else 9
    exact = pc.if_else(pa.array(plain), texts, pa.scalar(None, texts.type)).cast(_WIDE)
    scaled = exact if column.factor == 1 else pc.multiply(exact, factor)
    rounded = pc.round(scaled, scale, round_mode=_MODES[column.round or "half_even"])
    same = mask_of(pc.equal(rounded, scaled))
    small = mask_of(pc.less(pc.abs(rounded), pa.scalar(Decimal(10) ** digits)))
    good = plain & small & (same | (column.round is not None))
    result = pc.if_else(pa.array(good), rounded, pa.scalar(None, rounded.type)).cast(
        pa.decimal128(digits + scale, scale)
    )

    numbers = (
        np.array(result.to_numpy(zero_copy_only=False), dtype=object)
        if (there & ~plain).any()
        else None
    )
    changed = plain & good & ~same
    if numbers is not None:
        _read_one_by_one(
            numbers, texts, np.flatnonzero(there & ~plain), column, scale, digits, good, changed
        )
        result = pa.array(numbers, pa.decimal128(digits + scale, scale))

    if not pa.types.is_decimal(wanted):
        result = result.cast(wanted)

    finer = plain & small & ~same & (column.round is None)
    problems = problem(f"{name}_decimals", finer, texts, landed=str, shown=shown)
    problems += problem(
        f"{name}_unreadable", there & ~good & ~finer, texts, landed=str, shown=shown
    )
    notes = {f"{name} rounded": int(changed.sum())} if changed.any() else {}
    return ColumnValues(result, problems, notes)


def _texts(values: Any, column: NumberColumn) -> Any:
    """Numbers as text with a decimal point and nothing else around them; null where there is
    none.
    """
    kind = values.type
    if pa.types.is_floating(kind):
        return _doubles_as_texts(values, column)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return values.cast(pa.string())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise ValueError("a number is a number or text")
    texts = without_declared_empty(without_blanks(values.cast(pa.string())), column.empty)
    if column.currency:
        texts = without_blanks(pc.replace_substring(texts, column.currency, "", max_replacements=1))
    if column.thousands:
        texts = _without_thousands(texts, column.thousands, column.decimal)
    if column.decimal == ",":
        # A point is no decimal sign then: it must not pass for one.
        texts = pc.replace_substring(pc.replace_substring(texts, ".", "?"), ",", ".")
    return texts


def _without_thousands(texts: Any, sign: str, decimal: str) -> Any:
    """Text without the sign between thousands, where it stands where it must; other text stays, to
    be refused.
    """
    if sign == " ":
        texts = pc.replace_substring_regex(texts, _BLANKS, " ")
    grouped = rf"^[+-]?[0-9]{{1,3}}(\{sign}[0-9]{{3}})+(\{decimal}[0-9]*)?$"
    fits = pc.match_substring_regex(texts, grouped)
    return pc.if_else(fits, pc.replace_substring(texts, sign, ""), texts)


def _doubles_as_texts(values: Any, column: NumberColumn) -> Any:
    """Doubles by the shortest text that means them, without the noise that sums and products
    leave.
    """
    if pa.types.is_float32(values.type):
        texts = values.cast(pa.string())
        missing = np.isnan(values.to_numpy(zero_copy_only=False))
    else:
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        with np.errstate(all="ignore"):
            near = np.round(numbers, 9)
            clean = np.where(np.abs(numbers - near) <= _NOISE * np.abs(numbers), near, numbers)
        missing = np.isnan(numbers)
        texts = pa.array(clean).cast(pa.string())
    # NaN is what pandas writes for "no value": that is for the mapping to say.
    nothing = ~mask_of(values.is_valid()) | (missing & column.nullable)
    return pc.if_else(pa.array(nothing), pa.scalar(None, pa.string()), texts)


def _read_one_by_one(
    numbers: Any,
    texts: Any,
    rows: Any,
    column: NumberColumn,
    scale: int,
    digits: int,
    good: Any,
    changed: Any,
) -> None:
    """Fill in the numbers that are long or in scientific notation; `good` and `changed` say what
    came of each.
    """
    import re

    step = Decimal(1).scaleb(-scale)
    for row, text in zip(rows, texts.take(pa.array(rows)).to_pylist(), strict=True):
        if not re.match(_ANY, text):
            continue
        try:
            number = Decimal(text) * column.factor
            rounded = number.quantize(step, rounding=_DECIMAL_MODES[column.round or "half_even"])
        except InvalidOperation:
            continue
        if abs(rounded) < Decimal(10) ** digits and (rounded == number or column.round is not None):
            numbers[row], good[row], changed[row] = rounded, True, rounded != number


def _as_doubles(
    texts: Any, there: Any, column: NumberColumn, name: str, wanted: Any
) -> ColumnValues:
    readable = mask_of(pc.match_substring_regex(texts, _ANY))
    numbers = pc.if_else(pa.array(readable), texts, pa.scalar(None, texts.type)).cast(pa.float64())
    if column.factor != 1:
        numbers = pc.multiply(numbers, float(column.factor))
    problems = problem(f"{name}_unreadable", there & ~readable, texts, landed=str, shown=shown)
    return ColumnValues(numbers.cast(wanted), problems)
