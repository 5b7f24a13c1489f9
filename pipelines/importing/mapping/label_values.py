"""Labels in one spelling: numbers, flags and texts that mean the same are equal, whatever file they
come from.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal, InvalidOperation

_FLAGS = {"true": "1", "false": "0"}
_OPPOSITES = {"1": "0", "yes": "no", "y": "n", "t": "f"}


def label_value(value: object) -> str:
    """The spelling in which a label is compared: `1`, `1.0`, `" 1"`, `true` and `True` are all `1`;
    empty is ``.

    Blanks around it, upper and lower case, and the two ways in which Unicode writes a letter do not
    count.
    """
    if value is None:
        return ""
    text = unicodedata.normalize("NFC", str(value)).strip().casefold()
    text = _FLAGS.get(text, text)
    return _plain_number(text) if text[:1] in "+-.0123456789" and text else text


def opposite(value: object) -> str | None:
    """The usual opposite of a label in the same spelling (0 of 1, no of yes), or None where there
    is no usual one.
    """
    text = label_value(value)
    backwards = {negative: positive for positive, negative in _OPPOSITES.items()}
    return _OPPOSITES.get(text, backwards.get(text))


def _plain_number(text: str) -> str:
    """A number without the zeros and the exponent that do not change it; other text as it is."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return text
    plain = format(number.normalize(), "f")
    return "0" if plain == "-0" else plain
