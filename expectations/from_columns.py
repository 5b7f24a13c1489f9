"""Expectations that follow from a table's columns: which there are, that none is empty, the key
once, the bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from expectations.definition import Check, Suite

Ranges = Mapping[str, tuple[float | None, float | None]]
"""Least and largest value by column; None where there is none."""

PREDICTED = (
    "score",
    "decision",
    "release",
    "model_version",
    "fallback",
    "champion",
    "champion_score",
    "champion_decision",
    "challenger",
    "challenger_score",
)
"""The columns that a prediction has beside those that it takes over from the features."""


def feed_suite(
    name: str,
    columns: Sequence[str],
    *,
    key: Sequence[str],
    row: str,
    repeated: str = "",
    ranges: Ranges | None = None,
    extra: tuple[Check, ...] = (),
) -> Suite:
    """The suite of a feed's accepted rows; `columns` are the feed's, and `day`.

    `row` is what a row is called, `repeated` what it means that a key is there twice on a day.
    """
    twice = repeated or f"{_a(row)} is there twice; every count and sum would be too high"
    return Suite(
        name=name,
        checks=(
            Check(
                type="ExpectTableColumnsToMatchSet",
                arguments={"column_set": [*columns]},
                meaning="the feed has other columns than agreed",
            ),
            *_complete(columns, f"{_a(row)} is incomplete; ingest should have quarantined it"),
            Check(
                type="ExpectCompoundColumnsToBeUnique",
                arguments={"column_list": [*key, "day"]},
                meaning=twice,
            ),
            *(_between(column, bounds) for column, bounds in (ranges or {}).items()),
            *extra,
        ),
    )


def predictions_suite(key: Sequence[str], *, row: str, extra: tuple[Check, ...] = ()) -> Suite:
    """The suite of the predictions: one a row, by a release that is known, with scores that are
    probabilities.
    """
    return Suite(
        name="predictions",
        checks=(
            *_complete((*key, "score", "decision"), f"{_a(row)} has no prediction"),
            *_complete(("release", "model_version"), "nobody could say which model decided"),
            _unique(key, f"{_a(row)} has two predictions"),
            Check(
                type="ExpectColumnValuesToBeBetween",
                arguments={"column": "score", "min_value": 0, "max_value": 1},
                meaning="scores are not probabilities: the model or its input is broken",
            ),
            Check(
                type="ExpectColumnUniqueValueCountToBeBetween",
                arguments={"column": "score", "min_value": 2},
                severity="warning",
                meaning=f"every {row} has the same score: the model does not see its input",
            ),
            *extra,
        ),
    )


def _complete(columns: Sequence[str], meaning: str) -> tuple[Check, ...]:
    kind = "ExpectColumnValuesToNotBeNull"
    return tuple(
        Check(type=kind, arguments={"column": column}, meaning=meaning) for column in columns
    )


def _unique(key: Sequence[str], meaning: str) -> Check:
    if len(key) == 1:
        return Check(
            type="ExpectColumnValuesToBeUnique", arguments={"column": key[0]}, meaning=meaning
        )
    return Check(
        type="ExpectCompoundColumnsToBeUnique",
        arguments={"column_list": [*key]},
        meaning=meaning,
    )


def _between(column: str, bounds: tuple[float | None, float | None]) -> Check:
    named = zip(("min_value", "max_value"), bounds, strict=True)
    return Check(
        type="ExpectColumnValuesToBeBetween",
        arguments={"column": column, **{name: bound for name, bound in named if bound is not None}},
        meaning=f"{_a(column)} is impossible; ingest should have quarantined it",
    )


def _a(noun: str) -> str:
    """The noun with its article."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
