"""Text of a file, made safe to show: control characters as escapes, card numbers masked, cut where
it is long.
"""

from __future__ import annotations

import re

from pipelines.base.card_numbers import mask_card_numbers

_LONGEST = 60
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")


def escaped(text: str) -> str:
    """The text with every character that could command a terminal written as an escape (`\\x1b`);
    line ends stay.
    """
    characters = []
    for character in text:
        plain = character.isprintable() or character in "\n\t"
        characters.append(character if plain else character.encode("unicode_escape").decode())
    return "".join(characters)


def shown(text: str, *, longest: int = _LONGEST) -> str:
    """A value of a file as a message may show it: on one line, escaped, card numbers masked, cut at
    `longest`.
    """
    plain = mask_card_numbers(text)
    cut = plain if len(plain) <= longest else plain[:longest] + "…"
    return escaped(cut).replace("\n", "\\n").replace("\t", "\\t")


def shape(text: str, *, longest: int = _LONGEST) -> str:
    """What an id looks like without saying whose it is: each digit as 9, each letter as a
    (`9.99999E+99`).

    The E of a number in scientific notation stays, as it is what is wrong with such an id.
    """
    scientific = re.fullmatch(r"\s*[+-]?\d+(\.\d+)?[eE][+-]?\d+\s*", text)
    letters = text if scientific else _LETTER.sub("a", text)
    return shown(_DIGIT.sub("9", letters), longest=longest)
