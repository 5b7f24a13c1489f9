"""What nobody may read is masked in any text: passwords in addresses (card numbers: `card_numbers`)."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):\S*@")
_QUERIED = re.compile(r"([?&](?:password|passwd|pwd)=)[^&\s]*", re.IGNORECASE)


def mask_passwords(text: str) -> str:
    """The text with the password of every address in it masked (`postgresql://user:***@host/base`).

    All up to the last `@` counts as password: rather too much is masked than a piece of one shown.
    """
    return _QUERIED.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))
