"""What nobody may read is masked in any text: passwords in addresses, tokens (card numbers:
`card_numbers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):\S*@")
_QUERIED = re.compile(r"([?&](?:password|passwd|pwd)=)[^&\s]*", re.IGNORECASE)


def mask_passwords(text: str) -> str:
    """The text with the password of every address in it masked (`postgresql://user:***@host/base`).

    All up to the last `@` counts as password: rather too much is masked than a piece of one shown.
    """
    return _QUERIED.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


_BEARER = re.compile(r"(\bBearer(?:\s|%20)+)[^\s;,'\"]+", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"(PASSWORD|PASSWD|SECRET|TOKEN|_KEY|WEBHOOK|SLACK|PAGERDUTY)", re.IGNORECASE
)
_SHORTEST_SECRET = 6
"""Characters below which a value is no secret: masking every `1` of a text would leave nothing of
it.
"""


def secret_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables that are secrets by their name, longest first; paths of files are
    none.
    """
    values = {
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET and not _is_file(value)
    }
    return tuple(sorted(values, key=len, reverse=True))


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with passwords of addresses, bearer tokens and the given values masked."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _BEARER.sub(r"\1***", mask_passwords(text))


def _is_file(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):
        return False
