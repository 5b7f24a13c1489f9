"""What the texts of a column may be: times and how they are written, numbers and their signs,
ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Literal

TimeKind = Literal["timestamp", "text", "date", "clock", "hour", "epoch"]

_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s*(Z|z|[+-]\d{2}(:?\d{2})?)?"
)
_DATES = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%H%M%S")
_JOINTS = (" ", "T", ", ")
_EPOCHS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST, _LAST = (
    datetime(1990, 1, 1, tzinfo=UTC).timestamp(),
    datetime(2050, 1, 1, tzinfo=UTC).timestamp(),
)
_LOOKED_AT = 300
_MOST = 0.9
"""A form fits a column where it fits this share of its values: single bad ones are for ingest."""


@dataclass(frozen=True)
class TimeForm:
    """How times are written: what a value is, its format (None: ISO 8601), its unit, and other
    formats that fit.
    """

    kind: TimeKind
    format: str | None = None
    unit: str | None = None
    others: tuple[str, ...] = ()
    zoned: bool = False


@dataclass(frozen=True)
class NumberForm:
    """How numbers are written, and how many decimals the longest has."""

    decimal: str = "."
    thousands: str = ""
    currency: str = ""
    decimals: int = 0


def time_form(values: Sequence[str], kind: str) -> TimeForm | None:
    """The form of a column of times; None where it holds none.

    `kind` is its Arrow type, or `text`.
    """
    if kind.startswith("timestamp"):
        return TimeForm("timestamp", zoned="tz=" in kind)
    if kind.startswith("date"):
        return TimeForm("date")
    looked_at = list(dict.fromkeys(values))[:_LOOKED_AT]
    if not looked_at or kind in {"double", "float", "bool"} or kind.startswith("decimal"):
        return None
    if _most(bool(_ISO.fullmatch(text)) for text in looked_at):
        return TimeForm("text", zoned=bool(re.search(r"(Z|z|[+-]\d{2}:?\d{2})$", looked_at[0])))
    for unit, per_second in _EPOCHS.items():
        if _most(
            text.isdigit() and _FIRST <= int(text) / per_second <= _LAST for text in looked_at
        ):
            return TimeForm("epoch", unit=unit)
    if _most(text.isdigit() and int(text) <= 23 for text in looked_at) and len(looked_at) > 2:
        return TimeForm("hour")
    dates = [form for form in _DATES if _reads(form, looked_at)]
    if dates:
        return TimeForm("date", dates[0], others=tuple(dates[1:]))
    clocks = [form for form in _CLOCKS if _reads(form, looked_at)]
    if clocks:
        return TimeForm("clock", clocks[0], others=tuple(clocks[1:]))
    joined = [f"{day}{joint}{clock}" for day, clock, joint in product(_DATES, _CLOCKS, _JOINTS)]
    both = [form for form in [*joined, "%Y%m%d%H%M%S"] if _reads(form, looked_at)]
    return TimeForm("text", both[0], others=tuple(both[1:])) if both else None


def number_form(values: Sequence[str], kind: str) -> NumberForm | None:
    """The form of a column of numbers; None where it holds none."""
    if kind not in {"text", "string", "large_string"}:
        numeric = kind in {"double", "float"} or kind.startswith(("int", "uint", "decimal"))
        return NumberForm(decimals=_decimals(values, ".")) if numeric else None
    looked_at = list(dict.fromkeys(values))[:_LOOKED_AT]
    if not looked_at:
        return None
    currency = _currency(looked_at)
    bare = [text.replace(currency, "", 1).strip() if currency else text for text in looked_at]
    for decimal, thousands in (
        (".", ""),
        (",", ""),
        (".", ","),
        (",", "."),
        (",", " "),
        (".", " "),
        (".", "'"),
    ):
        if _most(_is_number(text, decimal, thousands) for text in bare):
            return NumberForm(decimal, thousands, currency, _decimals(bare, decimal))
    return None


def _is_number(text: str, decimal: str, thousands: str) -> bool:
    whole = rf"(\d+|\d{{1,3}}({re.escape(thousands)}\d{{3}})+)" if thousands else r"\d+"
    text = (
        re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", text)
        if thousands == " "
        else text
    )
    return bool(re.fullmatch(rf"[+-]?{whole}({re.escape(decimal)}\d+)?([eE][+-]?\d{{1,2}})?", text))


def _decimals(values: Sequence[str], decimal: str) -> int:
    """Decimals of the longest number; those of a double by its shortest text."""
    parts = [
        number.rpartition(decimal)[2]
        for number in values
        if decimal in number and "e" not in number.lower()
    ]
    return max((len(part) for part in parts), default=0)


def _currency(values: Sequence[str]) -> str:
    """The sign that most values have before or behind the number: no digit, no sign of a number."""
    for pattern in (r"[+-]?\s*([^\d\s.,+'-]{1,8})\s*[+-]?\d.*", r".*\d\s*([^\d\s.,+'-]{1,8})"):
        matches = [re.fullmatch(pattern, text) for text in values]
        signs = [match[1] for match in matches if match]
        if len(signs) >= _MOST * len(values) and len(set(signs)) == 1:
            return signs[0]
    return ""


def _reads(form: str, values: Sequence[str]) -> bool:
    return _most(_is_time(form, text) for text in values)


def _is_time(form: str, text: str) -> bool:
    try:
        datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _most(fits: Iterable[bool]) -> bool:
    outcomes = list(fits)
    return sum(outcomes) >= _MOST * len(outcomes)
