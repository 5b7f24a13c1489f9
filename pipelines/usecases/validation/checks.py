"""Declared checks: they belong to a suite that there is, and name a check, arguments and columns
that there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from expectations.definition import Check
from expectations.kinds import CHECK_ARGUMENTS, check_columns
from pipelines.usecases.validation.problems import Problems
from pipelines.usecases.validation.values import check_values


def check_checks(
    checks: Mapping[str, tuple[Check, ...]],
    columns: Mapping[str, Collection[str]],
    problems: Problems,
) -> None:
    """Report what is wrong with declared checks; `columns` are those of the table that each suite
    judges.
    """
    for suite, declared in checks.items():
        place = problems.at(f"[{suite}]")
        place.require_name(suite, columns, "the suite of a table")
        for number, check in enumerate(declared):
            place.at(f"[{number}]").look(_check_one, check, columns.get(suite))


def _check_one(check: Check, columns: Collection[str] | None, problems: Problems) -> None:
    check_values(check, problems)
    problems.at("type").require_name(check.type, CHECK_ARGUMENTS, "a check that the gate has")
    arguments = problems.at("arguments")
    accepted = CHECK_ARGUMENTS.get(check.type)
    for name in () if accepted is None else check.arguments:
        arguments.require_name(name, accepted or (), f"an argument of {check.type}")
    if columns is not None:
        for column in check_columns(check.arguments):
            arguments.at(f"[{column}]").require_name(
                column, columns, "a column that is judged there"
            )
    low, high = (check.arguments.get(name) for name in ("min_value", "max_value"))
    if isinstance(low, int | float) and isinstance(high, int | float):
        arguments.at("max_value").require(low <= high, f"{low:g} or more", high)
    mostly = check.arguments.get("mostly", 1)
    arguments.at("mostly").require(
        isinstance(mostly, int | float) and 0 < mostly <= 1, "more than 0 and at most 1", mostly
    )
