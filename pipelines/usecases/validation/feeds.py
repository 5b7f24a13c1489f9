"""Feeds: names, types and bounds of their columns, their keys and rules, and the label that is made
of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection

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
