"""Feeds: names, types and bounds of their columns, their keys and rules, and the label that is made
of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pipelines.base.column_types import ColumnType, parse_column_type
from pipelines.base.errors import ConfigurationError
from pipelines.usecases.feeds import DAY, Bound, Column, Feed
from pipelines.usecases.policies.label import LabelPolicy
from pipelines.usecases.validation.conditions import condition_columns
from pipelines.usecases.validation.problems import Problems
from pipelines.usecases.validation.values import check_values

NAME = re.compile(r"[a-z][a-z0-9_]*")
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_PLAIN_TYPES = ("bigint", "int", "double", "string", "boolean", "date", "timestamp")
_NUMBERS = ("bigint", "int", "double")
_TABLES = ("features", "predictions", "alerts", "metrics", "quarantine")
"""Tables of the lake that no feed may be called."""

_RESERVED = (DAY, "source_day")
"""Columns that ingest adds itself."""


def check_feed(feed: Feed, problems: Problems) -> None:
    """Report what is wrong with a feed by itself."""
    check_values(feed, problems)
    problems.at("name").require(
        NAME.fullmatch(feed.name) is not None and feed.name not in _TABLES,
        f"a name of small letters, digits and _ that is no table of its own ({', '.join(_TABLES)})",
        feed.name,
    )
    names = [column.name for column in feed.columns]
    problems.at("columns").require_unique(names, "column")
    for column in feed.columns:
        problems.at(f"columns[{column.name}]").look(_check_column, column)
        if (column.added_on is None) != (column.default is None):
            problems.at(f"columns[{column.name}].default").add(
                "added_on and default, both or neither",
                f"added_on {column.added_on}, default {column.default!r}",
            )
        elif column.added_on is not None:
            problems.at(f"columns[{column.name}]").look(_check_added, column, feed)
    problems.look(_check_key, feed, names)
    problems.look(_check_rules, feed, names)


def check_label(events: Feed, labels: Feed, label: LabelPolicy, problems: Problems) -> None:
    """Report where the two feeds do not fit each other, or the label's policy does not fit them."""
    problems.at("labels.name").require(
        events.name != labels.name, "another name than that of the events", labels.name
    )
    types = {column.name: column.type for column in events.columns}
    same_key = labels.key == events.key and all(
        types.get(column.name) == column.type
        for column in labels.columns
        if column.name in labels.key
    )
    problems.at("labels.key").require(
        same_key,
        f"the key of the events ({', '.join(events.key)}), of the same type",
        ", ".join(labels.key),
    )
    problems.at("label.feed").require_name(label.feed, [labels.name], "the feed of labels")
    problems.at("label.reported_at").require_name(
        label.reported_at, [labels.time], "the time of the labels"
    )


def _check_column(column: Column, problems: Problems) -> None:
    if not check_values(column, problems):
        return
    problems.at("name").require(
        NAME.fullmatch(column.name) is not None and column.name not in _RESERVED,
        f"a name of small letters, digits and _, none of {', '.join(_RESERVED)}",
        column.name,
    )
    decimal = _DECIMAL.fullmatch(column.type)
    is_decimal = decimal is not None and int(decimal[2]) <= int(decimal[1]) <= 38
    problems.at("type").require(
        column.type in _PLAIN_TYPES or is_decimal,
        f"{', '.join(_PLAIN_TYPES)} or decimal(p,s)",
        column.type,
    )
    problems.at("not_card_numbers").require(
        not column.not_card_numbers or column.type == "string",
        "nothing: only text is looked through for card numbers",
        column.not_card_numbers,
    )
    for bound, place in ((column.least, "least"), (column.most, "most")):
        if bound is not None:
            _check_bound(
                bound, is_decimal or column.type in _NUMBERS, column.type, problems.at(place)
            )
    if column.least and column.most:
        problems.at("most.value").look(_check_order, column.least, column.most)


def _check_added(column: Column, feed: Feed, problems: Problems) -> None:
    """Report where a column cannot be added later, or its default is not one of its values."""
    problems.at("added_on").require(
        column.name not in (*feed.key, feed.time),
        "no date: the key and the time were there from the first day",
        column.added_on,
    )
    number = _default_number(column)
    if number is None:
        problems.at("default").add(f"a value of type {column.type}", column.default)
        return
    for bound, is_within, sign in (
        (column.least, lambda bound: number >= bound, "or more"),
        (column.most, lambda bound: number <= bound, "or less"),
    ):
        if bound is not None and check_values(bound, Problems()):
            problems.at("default").require(
                is_within(bound.value), f"{bound.value:g} {sign}", column.default
            )


def _default_number(column: Column) -> float | None:
    """The default as a number (0 where the type is none); None where it is not of the type."""
    try:
        column_type = parse_column_type(column.type)
        return _number_of(column_type, column.default)
    except (ConfigurationError, ValueError, InvalidOperation):
        return None


def _number_of(column_type: ColumnType, value: Any) -> float | None:
    kind = column_type.kind
    if column_type.is_whole:
        half = 2 ** (63 if kind == "bigint" else 31)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return value if is_whole and -half <= value < half else None
    if kind == "double":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and math.isfinite(value) else None
    if kind == "boolean":
        return 0 if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if kind == "date":
        date.fromisoformat(value)
    if kind == "timestamp" and datetime.fromisoformat(value).tzinfo is None:
        return None
    if kind == "decimal":
        number = Decimal(value)
        exact = number.is_finite() and number == round(number, column_type.scale)
        whole_digits = column_type.precision - column_type.scale
        return float(number) if exact and abs(number) < 10**whole_digits else None
    return 0


def _check_order(least: Bound, most: Bound, problems: Problems) -> None:
    problems.require(least.value <= most.value, f"{least.value:g} or more", most.value)


def _check_bound(bound: Bound, is_number: bool, kind: str, problems: Problems) -> None:
    problems.require(is_number, f"no bound of a column of type {kind}", bound.value)
    if check_values(bound, problems):
        problems.at("value").require(math.isfinite(bound.value), "a finite number", bound.value)


def _check_key(feed: Feed, names: Collection[str], problems: Problems) -> None:
    problems.at("key").require(bool(feed.key), "one column or more", "none")
    for name in feed.key:
        problems.at("key").require_name(name, names, f"a column of {feed.name}")
    problems.at("time").require_name(feed.time, names, f"a column of {feed.name}")
    for column in feed.columns:
        if column.name == feed.time:
            problems.at("time").require(
                column.type == "timestamp",
                "a column of type timestamp",
                f"{feed.time} {column.type}",
            )
        if column.name in feed.key:
            problems.at("key").require(
                column.type in ("bigint", "int", "string"),
                "a column of type bigint, int or string",
                f"{column.name} {column.type}",
            )


def _check_rules(feed: Feed, names: Collection[str], problems: Problems) -> None:
    own = ["malformed_row", f"{feed.time}_in_future", f"{feed.time}_too_late"]
    for ending in ("missing", "unreadable", "card_number"):
        own += [f"{name}_{ending}" for name in names]
    rules = [rule.name for rule in feed.rules]
    problems.at("rules").require_unique(rules, "rule")
    for name in rules:
        problems.at(f"rules[{name}]").require(
            name not in own, "a name that ingest does not use for a rule of its own", name
        )
    for rule in feed.further_rules:
        place = problems.at(f"further_rules[{rule.name}]")
        if not check_values(rule, place):
            continue
        read = condition_columns(rule.condition, names)
        place.at("condition").require(bool(read), "a condition that names a column", rule.condition)
        for name in read:
            place.at("condition").require_name(name, names, f"a column of {feed.name}")
