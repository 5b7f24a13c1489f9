"""The checks that a suite can declare: classes of Great Expectations with their arguments, known
without its import.

Only those that work in pandas and in Spark alike under numpy 2; whole distributions are judged
elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

_COLUMN = frozenset({"column"})
_MOSTLY = frozenset({"column", "mostly"})
_BETWEEN = frozenset({"min_value", "max_value", "strict_min", "strict_max"})
_STATISTIC = _COLUMN | _BETWEEN
_PAIR = frozenset({"column_A", "column_B", "mostly", "ignore_row_if"})
_LIST = frozenset({"column_list", "mostly", "ignore_row_if"})

CHECK_ARGUMENTS: Mapping[str, frozenset[str]] = {
    "ExpectTableColumnsToMatchSet": frozenset({"column_set", "exact_match"}),
    "ExpectTableColumnsToMatchOrderedList": frozenset({"column_list"}),
    "ExpectTableColumnCountToBeBetween": frozenset({"min_value", "max_value"}),
    "ExpectTableColumnCountToEqual": frozenset({"value"}),
    "ExpectTableRowCountToBeBetween": _BETWEEN,
    "ExpectTableRowCountToEqual": frozenset({"value"}),
    "ExpectColumnToExist": frozenset({"column", "column_index"}),
    "ExpectColumnValuesToNotBeNull": _MOSTLY,
    "ExpectColumnValuesToBeNull": _MOSTLY,
    "ExpectColumnValuesToBeUnique": _MOSTLY,
    "ExpectColumnValuesToBeBetween": _MOSTLY | _BETWEEN,
    "ExpectColumnValuesToBeInSet": _MOSTLY | {"value_set"},
    "ExpectColumnValuesToNotBeInSet": _MOSTLY | {"value_set"},
    "ExpectColumnValuesToMatchRegex": _MOSTLY | {"regex"},
    "ExpectColumnValuesToNotMatchRegex": _MOSTLY | {"regex"},
    "ExpectColumnValueLengthsToBeBetween": _MOSTLY | _BETWEEN,
    "ExpectColumnValueLengthsToEqual": _MOSTLY | {"value"},
    "ExpectColumnDistinctValuesToBeInSet": _COLUMN | {"value_set"},
    "ExpectColumnDistinctValuesToContainSet": _COLUMN | {"value_set"},
    "ExpectColumnDistinctValuesToEqualSet": _COLUMN | {"value_set"},
    "ExpectColumnMaxToBeBetween": _STATISTIC,
    "ExpectColumnMeanToBeBetween": _STATISTIC,
    "ExpectColumnMedianToBeBetween": _STATISTIC,
    "ExpectColumnMinToBeBetween": _STATISTIC,
    "ExpectColumnStdevToBeBetween": _STATISTIC,
    "ExpectColumnSumToBeBetween": _STATISTIC,
    "ExpectColumnUniqueValueCountToBeBetween": _STATISTIC,
    "ExpectColumnProportionOfUniqueValuesToBeBetween": _STATISTIC,
    "ExpectColumnPairValuesToBeEqual": _PAIR,
    "ExpectColumnPairValuesAToBeGreaterThanB": _PAIR | {"or_equal"},
    "ExpectCompoundColumnsToBeUnique": _LIST,
    "ExpectSelectColumnValuesToBeUniqueWithinRecord": _LIST,
    "ExpectMulticolumnSumToEqual": _LIST | {"sum_total"},
}
"""Arguments by the name of the class."""

_ONE_COLUMN = ("column", "column_A", "column_B")
_SEVERAL_COLUMNS = ("column_list", "column_set")


def check_columns(arguments: Mapping[str, object]) -> list[str]:
    """The columns that a check's arguments name, in order."""
    named = [arguments[name] for name in _ONE_COLUMN if name in arguments]
    for name in _SEVERAL_COLUMNS:
        several = arguments.get(name)
        if isinstance(several, list | tuple):
            named += several
    return [str(column) for column in named]
