"""Keyed hashes in the place of ids: equal ids stay equal, and who lacks the key cannot tell whose
they are.

A keyed id is HMAC-SHA-256 (RFC 2104) of column and id under the key of ids, its first 53 bits as a
whole number: exact in every JSON reader (RFC 7493, 2.2), and of five million ids two become one
with a chance of one in 700. Where the number would pass for a card number its last bit is turned,
so that nothing masks it later. Without the key all ids that there can be would be tried: an id is
short, and a plain hash of it no secret.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from collections.abc import Iterable

from pipelines.base.atomic_files import write_once
from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings

BITS = 53
LEAST_KEY_BYTES = 32
KINDS = ("bigint", "string")
"""Types of columns that may hold a keyed id; a string holds its decimal digits."""


def composed(text: str) -> str:
    """An id in the one spelling in which ids are compared: no blanks around it, letters composed
    (Unicode's NFC).
    """
    return unicodedata.normalize("NFC", text.strip())


def joined_id(parts: Iterable[str]) -> str:
    """An id of several parts as one text: `a|b`; a bar or a backslash within a part has a backslash
    before it.
    """
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def keyed_id(key: bytes, column: str, value: int | str) -> int:
    """The keyed id, 0 to 2^53 - 1, of an id as it is written (whole number or text, blanks around
    it do not count).

    `column` is the feed's: one id in two columns gives two numbers, so that they cannot be linked.
    Raises `ValueError` for what is no id: None, a flag, a floating-point number, empty text.
    """
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        raise ValueError(f"an id is a whole number or text that is not empty, not {value!r}")
    digest = hmac.digest(key, f"{column}\0{composed(str(value))}".encode(), "sha256")
    number = int.from_bytes(digest[:8], "big") >> (64 - BITS)
    text = str(number)
    return number if mask_card_numbers(text) == text else number ^ 1


def id_key(settings: Settings, *, may_make: bool) -> bytes:
    """The key of ids: the file that is set, or the home's own (`<home>/keys/ids.key`).

    An import makes the home's own where there is none; who looks for ids may not, as under a new
    key nothing is found. Raises `ConfigurationError` where the file cannot be read or is shorter
    than 32 bytes, `StoreError` where it cannot be made.
    """
    path = settings.id_key or settings.home / "keys" / "ids.key"
    if may_make and settings.id_key is None:
        write_once(path, secrets.token_urlsafe(48).encode(), mode=0o600, what="the key of ids")
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise _unusable(str(path), error.strerror or type(error).__name__) from error
    if len(key) < LEAST_KEY_BYTES:
        raise _unusable(str(path), f"{len(key)} bytes")
    return key


def _unusable(where: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        "the key of ids cannot be used",
        where=where,
        expected=f"a file of {LEAST_KEY_BYTES} bytes or more that this user may read",
        found=problem,
        next_step=(
            "let TOLLGATE_ID_KEY name that file; unset, the home has a key of its own from its"
            " first import on"
        ),
    )
