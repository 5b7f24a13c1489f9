"""Ids of a source: whole numbers or text by the mapping's rule, so that no two become one and none
becomes two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.printable import shape
from pipelines.importing.conversion.column_values import (
    ColumnValues,
    Problem,
    mask_of,
    one_array,
    problem,
    without_blanks,
    without_declared_empty,
)
from pipelines.importing.conversion.source_files import UNREADABLE_BYTES
from pipelines.importing.mapping.declared_columns import IdColumn
from pipelines.importing.mapping.keyed_ids import composed, joined_id, keyed_id

EXACT = 2**53
"""Up to here a double holds every whole number; beyond it, ids that were doubles may have been
rounded.
"""

_INT64 = 2**63
_WHOLE = r"^-?[0-9]+$"
_WHOLE_WITH_POINT = r"^-?[0-9]+\.0*$"
_SCIENTIFIC = r"^[+-]?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+$"
_SHORTENED = r"^[+-]?[0-9]+(\.[0-9]+[eE][+-]?|[eE][+-])[0-9]+$"
"""Of ids that are text: programs write a point or the exponent's sign; `7e21` may be digits in base
16.
"""

_LEADING_ZEROS = r"^-?0[0-9]"
_NUMBERS = r"^[+-]?[0-9]+(\.[0-9]*)?$"


def convert_id(
    raw: list[Any], column: IdColumn, name: str, wanted: Any, key: bytes | None
) -> ColumnValues:
    """Ids of one or several raw columns, int64 or string as `wanted`; with a `key`, keyed hashes of
    them.

    Raises `ValueError` where a raw column is of a type that holds no ids.
    """
    integers = pa.types.is_integer(wanted)
    # An id that is hashed may be a whole number or text, unless the mapping says which.
    whole = column.kind == "whole" or (column.kind is None and key is None and integers)
    parts = [_identities(values, column, whole=whole) for values in raw]
    texts, refusals = parts[0] if len(parts) == 1 else _joined(parts)
    if column.default is not None:
        texts = texts.fill_null(composed(str(column.default)))
    bad = np.zeros(len(texts), dtype=bool)
    problems: tuple[Problem, ...] = ()
    landed = _landed(hashed=key is not None, integers=integers)
    for rule, (mask, reason) in refusals.items():
        fresh = mask & ~bad
        bad |= fresh
        problems += problem(f"{name}_{rule}", fresh, texts, landed=landed(reason), shown=shape)
    texts = pc.if_else(pa.array(bad), pa.scalar(None, texts.type), texts)
    if key is not None:
        return ColumnValues(_hashed(texts, key, name, wanted), problems)
    if not integers:
        return ColumnValues(texts.cast(wanted), problems)
    return ColumnValues(*_as_integers(texts, wanted, name, problems))


def card_number_share(values: Any) -> tuple[int, int]:
    """How many different ids look like card numbers (13 to 19 digits, check digit right), and how
    many there are.
    """
    texts = pc.unique(values.cast(pa.string())).drop_null().to_pylist()
    return sum(1 for text in texts if mask_card_numbers(text) != text), len(texts)


def _identities(
    values: Any, column: IdColumn, *, whole: bool
) -> tuple[Any, dict[str, tuple[Any, str]]]:
    """Ids as text in their one spelling, and the rows that are refused: by rule, a mask and the
    reason.
    """
    values = one_array(values)
    kind = values.type
    if pa.types.is_boolean(kind) or not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_null(kind)
    ):
        raise ValueError("an id is a whole number or text")
    if pa.types.is_floating(kind):
        return _from_doubles(values)
    if pa.types.is_integer(kind):
        return values.cast(pa.string()), {}
    texts = without_declared_empty(without_blanks(values.cast(pa.string())), column.empty)
    texts = _in_one_form(texts)
    if pa.types.is_decimal(kind):
        return _whole_numbers(texts, column)
    return _whole_numbers(texts, column) if whole else _texts(texts, column)


def _from_doubles(values: Any) -> tuple[Any, dict[str, tuple[Any, str]]]:
    """Doubles as whole numbers; NaN is no id, and what is beyond 2^53 or has decimals is
    refused.
    """
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    missing = np.isnan(numbers)
    whole = ~missing & (np.floor(numbers) == numbers)
    exact = whole & (np.abs(numbers) <= EXACT)
    written = np.where(exact, numbers, 0).astype(np.int64)
    texts = pa.array(written).cast(pa.string())
    # In full: 4956828990005110784, not the 4.956828990005111e+18 that says that digits are lost
    # twice over.
    odd = np.flatnonzero(~missing & ~exact)
    rounded = np.full(len(numbers), "", dtype=object)
    rounded[odd] = [
        f"{numbers[row]:.0f}" if whole[row] else repr(float(numbers[row])) for row in odd
    ]
    texts = pc.if_else(pa.array(exact), texts, pa.array(rounded, pa.string()))
    texts = pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), texts)
    refused = {
        "rounded": (whole & ~exact, "a double beyond 2^53: it may have been rounded"),
        "unreadable": (~missing & ~whole, "not a whole number"),
    }
    return texts, refused


def _whole_numbers(texts: Any, column: IdColumn) -> tuple[Any, dict[str, tuple[Any, str]]]:
    """Text that is a whole number, `42.0` too; other text is refused, and leading zeros unless they
    are to go.
    """
    pointed = _matches(texts, _WHOLE_WITH_POINT)
    texts = (
        pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.0*$", r"\1") if pointed.any() else texts
    )
    if column.leading_zeros == "drop":
        texts = pc.replace_substring_regex(texts, r"^(-?)0+([0-9])", r"\1\2")
    whole = _matches(texts, _WHOLE)
    there = mask_of(texts.is_valid())
    refused = {
        "scientific": (_matches(texts, _SCIENTIFIC), "scientific notation: digits are lost"),
        "leading_zeros": (
            _matches(texts, _LEADING_ZEROS),
            "leading zeros: say kind or leading_zeros",
        ),
        "rounded": (
            pointed & _beyond_exact(texts, pointed),
            "a double beyond 2^53: it may have been rounded",
        ),
        "unreadable": (there & ~whole, "not a whole number"),
    }
    return texts, refused


def _texts(texts: Any, column: IdColumn) -> tuple[Any, dict[str, tuple[Any, str]]]:
    """Text that is an id as it stands, unless it is a number that a program has rewritten.

    Where the mapping does not say that ids are text, `42.0` is 42, and leading zeros are refused
    beside ids without.
    """
    pointed = _matches(texts, _WHOLE_WITH_POINT)
    refused = {"scientific": (_matches(texts, _SHORTENED), "scientific notation: digits are lost")}
    if column.kind == "text":
        refused["with_point"] = (pointed, "a whole number with a decimal point: is kind whole?")
    else:
        texts = (
            pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.0*$", r"\1")
            if pointed.any()
            else texts
        )
        refused["rounded"] = (
            _beyond_exact(texts, pointed),
            "a double beyond 2^53: it may have been rounded",
        )
        refused["leading_zeros"] = (
            _clashing_zeros(texts),
            "leading zeros beside the id without: say kind",
        )
        signed = _matches(texts, _NUMBERS) & ~_matches(texts, _WHOLE)
        refused["unreadable"] = (signed & ~pointed, "a number that is not whole")
    refused["none"] = (mask_of(pc.equal(texts, "None")), "Python's None, which is no id")
    broken = mask_of(pc.match_substring(texts, UNREADABLE_BYTES))
    refused["encoding"] = (broken, "bytes that are no text in source.encoding")
    return texts, refused


def _clashing_zeros(texts: Any) -> Any:
    """Ids with leading zeros that would be another id of the column without them."""
    zeros = _matches(texts, _LEADING_ZEROS)
    if not zeros.any():
        return zeros
    without = pc.replace_substring_regex(texts, r"^(-?)0+([0-9])", r"\1\2")
    others = pc.unique(texts.filter(pa.array(~zeros)))
    return zeros & mask_of(pc.is_in(without, value_set=others))


def _beyond_exact(texts: Any, pointed: Any) -> Any:
    beyond = np.zeros(len(texts), dtype=bool)
    rows = np.flatnonzero(pointed)
    pointed_texts = texts.take(pa.array(rows)).to_pylist()
    beyond[rows] = [abs(int(text)) > EXACT for text in pointed_texts]
    return beyond


def _in_one_form(texts: Any) -> Any:
    """Letters that Unicode can write in two ways, in one (NFC)."""
    if mask_of(pc.string_is_ascii(texts)).sum() + texts.null_count == len(texts):
        return texts
    return pc.utf8_normalize(texts, "NFC")


def _joined(
    parts: list[tuple[Any, dict[str, tuple[Any, str]]]],
) -> tuple[Any, dict[str, tuple[Any, str]]]:
    """Several columns as one id; missing where one of them is."""
    columns = [texts.to_pylist() for texts, _ in parts]
    texts = [None if None in row else joined_id(row) for row in zip(*columns, strict=True)]
    refused: dict[str, tuple[Any, str]] = {}
    for _, refusals in parts:
        for rule, (mask, reason) in refusals.items():
            before = refused[rule][0] if rule in refused else np.zeros(len(texts), dtype=bool)
            refused[rule] = (before | mask, reason)
    return pa.array(texts, pa.string()), refused


def _as_integers(
    texts: Any, wanted: Any, name: str, problems: tuple[Problem, ...]
) -> tuple[Any, tuple[Problem, ...]]:
    # Text of 19 digits may be beyond int64: looked at one by one, as it is rare.
    long = mask_of(pc.greater(pc.utf8_length(texts), 18))
    beyond = np.zeros(len(texts), dtype=bool)
    rows = np.flatnonzero(long)
    long_texts = texts.take(pa.array(rows)).to_pylist()
    beyond[rows] = [not -_INT64 <= int(text) < _INT64 for text in long_texts]
    problems += problem(
        f"{name}_unreadable",
        beyond,
        texts,
        landed=_landed(hashed=False, integers=True)(""),
        shown=shape,
    )
    kept = pc.if_else(pa.array(beyond), pa.scalar(None, texts.type), texts)
    return kept.cast(wanted), problems


def _hashed(texts: Any, key: bytes, name: str, wanted: Any) -> Any:
    distinct = pc.unique(texts).drop_null()
    hashes = pa.array([keyed_id(key, name, text) for text in distinct.to_pylist()], pa.int64())
    return pc.take(hashes, pc.index_in(texts, value_set=distinct)).cast(wanted)


def _landed(*, hashed: bool, integers: bool) -> Callable[[str], Callable[[str], str | None]]:
    """What lands in the place of an id that is refused, by the reason.

    It must break ingest's rule for the column, which would read `0042` as a number again; an id
    that is to be hashed never lands; a column of text can be empty only.
    """

    def by_reason(reason: str) -> Callable[[str], str | None]:
        def text(value: str) -> str | None:
            if not integers:
                return None
            if hashed:
                return f"refused: {reason}"
            return f"{value} ({reason})" if reason else value

        return text

    return by_reason


def _matches(texts: Any, pattern: str) -> Any:
    return mask_of(pc.match_substring_regex(texts, pattern))
