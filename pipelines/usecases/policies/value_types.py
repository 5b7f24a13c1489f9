"""Types of declared values: what each may be, in which unit it counts, and what is wrong with a
value that is not.

A field of a policy says all of it: `lateness_days: Days = 30`. Nothing here imports more than the
standard library.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin


@dataclass(frozen=True)
class Bounds:
    """Numbers from `least` to `most`, both included; with `above`, `least` itself is too small.

    `unit` is what the number counts, for people.
    """

    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    above: bool = False

    def holds(self, number: float) -> bool:
        """Whether the number is finite and within the bounds."""
        if not math.isfinite(number):
            return False
        return (number > self.least if self.above else number >= self.least) and number <= self.most

    def describe(self) -> str:
        """The bounds in words."""
        if math.isinf(self.least):
            return "a finite number"
        if math.isinf(self.most):
            return f"more than {self.least:g}" if self.above else f"{self.least:g} or more"
        if self.above:
            return f"more than {self.least:g} and at most {self.most:g}"
        return f"from {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Unit:
    """In which unit a value is that is no number."""

    unit: str


Share = Annotated[float, Bounds("share", 0, 1)]
ShareAboveNone = Annotated[float, Bounds("share", 0, 1, above=True)]
TimesMore = Annotated[float, Bounds("times", 1)]
Sigmas = Annotated[float, Bounds("robust standard deviations", 0, above=True)]
Distance = Annotated[float, Bounds("distance of the method", 0, above=True)]
Deviations = Annotated[float, Bounds("standard deviations", 0, above=True)]
Metric = Annotated[float, Bounds("difference of the metric", 0, 1)]
Money = Annotated[float, Bounds("currency", 0)]
Seconds = Annotated[float, Bounds("seconds", 0, above=True)]
RowsPerSecond = Annotated[float, Bounds("rows a second", 0, above=True)]
Positives = Annotated[float, Bounds("positives", 0)]
ExpectedRows = Annotated[float, Bounds("rows", 0)]

Days = Annotated[int, Bounds("days", 0)]
AtLeastADay = Annotated[int, Bounds("days", 1)]
Weeks = Annotated[int, Bounds("weeks", 1)]
Hours = Annotated[int, Bounds("hours", 0)]
Rows = Annotated[int, Bounds("rows", 1)]
Count = Annotated[int, Bounds("", 1)]
NoneOrMore = Annotated[int, Bounds("", 0)]
Seed = Annotated[int, Bounds("", 0, 2**31 - 1)]


def unit_of(kind: Any) -> str:
    """The unit in which values of a type count; empty where it has none."""
    if get_origin(kind) is not Annotated:
        return ""
    return next((note.unit for note in get_args(kind)[1:] if isinstance(note, Bounds | Unit)), "")


def wanted(kind: Any, value: Any) -> str:
    """What a value of the type has to be, in words; empty where `value` is one.

    Known types: numbers, texts, flags, `Literal`, `Annotated` with `Bounds`, unions, tuples of one
    type, mappings from text, and classes. A whole number will do for a float, a flag is never a
    number.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = [note for note in parts[1:] if isinstance(note, Bounds)]
        if wanted(parts[0], value) or not all(note.holds(value) for note in bounds):
            return ", ".join([_named(parts[0]), *(note.describe() for note in bounds)])
        return ""
    if origin is Literal:
        is_choice = any(type(choice) is type(value) and choice == value for choice in parts)
        return "" if is_choice else " or ".join(map(repr, parts))
    if origin in (Union, types.UnionType):
        refusals = [wanted(part, value) for part in parts]
        return "" if "" in refusals else " or ".join(dict.fromkeys(refusals))
    if origin is tuple:
        refusals = (
            [wanted(parts[0], part) for part in value] if isinstance(value, tuple) else ["tuple"]
        )
        return next(
            (f"a tuple, each of it {_named(parts[0])}: {text}" for text in refusals if text), ""
        )
    if origin is Mapping:
        return _wanted_mapping(parts[1], value)
    return "" if _is_plainly(kind, value) else _named(kind)


def _wanted_mapping(kind: Any, value: Any) -> str:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return "a mapping from names"
    return next(
        (
            f"for each name {text}"
            for text in (wanted(kind, part) for part in value.values())
            if text
        ),
        "",
    )


def _is_plainly(kind: Any, value: Any) -> bool:
    if kind is Any:
        return True
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, kind)


def _named(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "True or False"}
    return names[kind] if kind in names else str(getattr(kind, "__name__", kind))
