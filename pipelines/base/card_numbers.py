"""Card numbers: found and masked in any text by one rule, in Python and as Spark SQL.

The rule: 13 to 19 digits (of ASCII) whose check digit holds (Luhn, ISO/IEC 7812), grouped by single
spaces or hyphens or not at all. Groups are never cut: neither a part of a longer number nor the
places behind a decimal point are card numbers. Groups before and after (an expiry date, say) hide
nothing, as every series of neighbouring groups is looked at.
"""

from __future__ import annotations

import re

_RUN = r"(?<![0-9])(?<![0-9]\.)[0-9]++(?:[ -][0-9]++)*+"
"""Digits and their groups; possessive, as Java would else need a stack as deep as there are
groups.
"""

_SHORTEST, _LONGEST = 13, 19
_KEPT = 4
_FOUND = re.compile(_RUN)
_SEPARATORS = re.compile("[ -]")
_ESCAPES = re.compile(r"(\\u[0-9a-fA-F]{4}|\\.)")


def mask_card_numbers(text: str) -> str:
    """The text with all but the last four digits of every card number masked
    (`************1111`).
    """
    return _FOUND.sub(_masked, text)


def mask_card_numbers_in_json(text: str) -> str:
    """The same for JSON text: the digits of an escape such as `\\u0001` are none of the number that
    follows it.
    """
    return "".join(
        part if place % 2 else mask_card_numbers(part)
        for place, part in enumerate(_ESCAPES.split(text))
    )


def holds_card_number(column: str) -> str:
    """Spark SQL that is true where the STRING column holds what `mask_card_numbers` masks, NULL
    where it is NULL.
    """
    pattern = _RUN.replace("\\", "\\\\")
    series = (
        f"array_join(slice(groups, first, length), '') rlike '^[0-9]{{{_SHORTEST},{_LONGEST}}}$'"
        " AND luhn_check(array_join(slice(groups, first, length), ''))"
    )
    lengths = f"sequence(1, least({_LONGEST}, size(groups) - first + 1))"
    return (
        f"exists(transform(regexp_extract_all(`{column}`, '{pattern}', 0), run -> split(run, '["
        f" -]')), groups -> exists(sequence(1, size(groups)), first -> exists({lengths}, length ->"
        f" {series})))"
    )


def _masked(run: re.Match[str]) -> str:
    """The run of groups, every stretch of them masked that card numbers cover."""
    text = run.group()
    groups, marks = _SEPARATORS.split(text), _SEPARATORS.findall(text)
    covered: set[int] = set()
    for first, last in _card_numbers(groups):
        covered.update(range(first, last))
    parts, stretch = [], ""
    for place, group in enumerate(groups):
        if place in covered:
            stretch += group
            if place + 1 in covered:
                continue
            parts.append("*" * (len(stretch) - _KEPT) + stretch[-_KEPT:])
            stretch = ""
        else:
            parts.append(group)
        parts.append(marks[place] if place < len(marks) else "")
    return "".join(parts)


def _card_numbers(groups: list[str]) -> list[tuple[int, int]]:
    """First place and end of every series of groups that is a card number."""
    spans = []
    for first in range(len(groups)):
        digits = ""
        for last in range(first, len(groups)):
            digits += groups[last]
            if len(digits) > _LONGEST:
                break
            if len(digits) >= _SHORTEST and _luhn(digits):
                spans.append((first, last + 1))
    return spans


def _luhn(digits: str) -> bool:
    """Whether the check digit holds."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
