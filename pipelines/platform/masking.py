"""What nobody may read is masked in any text: card numbers (all but the last four digits), passwords in addresses."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")
_KEPT = 4
_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):\S*@")
_QUERIED = re.compile(r"([?&](?:password|passwd|pwd)=)[^&\s]*", re.IGNORECASE)


def mask_card_numbers(text: str) -> str:
    """The text with every run of 13 to 19 digits that passes the Luhn check masked (`************1111`).

    Digits may be grouped by single spaces or hyphens, as on a card.
    """
    return _NUMBER.sub(_masked, text)


def mask_passwords(text: str) -> str:
    """The text with the password of every address in it masked (`postgresql://user:***@host/base`).

    All up to the last `@` counts as password: rather too much is masked than a piece of one shown.
    """
    return _QUERIED.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


def _masked(match: re.Match[str]) -> str:
    found = match.group()
    digits = re.sub(r"\D", "", found)
    return "*" * (len(digits) - _KEPT) + digits[-_KEPT:] if _luhn(digits) else found


def _luhn(digits: str) -> bool:
    """Whether the check digit of ISO/IEC 7812 holds."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
