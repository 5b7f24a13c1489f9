"""The columns that a condition in Spark SQL reads, without Spark: what is no literal, keyword or
function.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_LITERALS = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"")
_WORDS = re.compile(r"`([^`]+)`|([A-Za-z_][A-Za-z0-9_]*)(\s*\()?")
_OPERATORS = {
    "and",
    "or",
    "not",
    "in",
    "is",
    "between",
    "div",
    "distinct",
    "from",
    "any",
    "all",
    "some",
}
_PATTERNS = {"like", "ilike", "rlike", "regexp", "escape"}
_VALUES = {"null", "true", "false", "nan", "current_date", "current_timestamp"}
_CASES = {"case", "when", "then", "else", "end", "cast", "as", "exists"}
_TYPES = {"bigint", "int", "smallint", "tinyint", "double", "float", "decimal", "string", "boolean"}
_TIMES = {"interval", "date", "timestamp"}
_UNITS = {"year", "month", "week", "day", "hour", "minute", "second"}
_KEYWORDS = (
    _OPERATORS
    | _PATTERNS
    | _VALUES
    | _CASES
    | _TYPES
    | _TIMES
    | _UNITS
    | {f"{unit}s" for unit in _UNITS}
)


def condition_columns(condition: str, columns: Collection[str]) -> list[str]:
    """The names in a condition that have to be columns, each once, in order.

    A word that is a keyword too (`hour`) is a column where `columns`, those that there are, has it.
    """
    names: dict[str, None] = {}
    for quoted, word, call in _WORDS.findall(_LITERALS.sub("''", condition)):
        if quoted:
            names[quoted] = None
        elif word in columns or not (call or word.lower() in _KEYWORDS):
            names[word] = None
    return list(names)
