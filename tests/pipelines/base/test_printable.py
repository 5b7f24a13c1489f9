"""What a message quotes of a file cannot command a terminal, and shows no card number and no id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.errors import ConfigurationError
from pipelines.base.printable import escaped, shape, shown


@given(st.text())
def test_nothing_that_is_shown_commands_a_terminal(text: str) -> None:
    error = ConfigurationError(text, found=text, where=text)
    for output in (shown(text), shape(text), escaped(text).replace("\n", "").replace("\t", "")):
        assert output.isprintable()
    assert all(character.isprintable() or character in "\n\t" for character in str(error))
    assert len(shown(text, longest=10)) <= 10 * 10 + 1


@given(st.text(st.characters(categories=["L", "Nd"]), min_size=1))
def test_a_shape_says_nothing_of_an_id(text: str) -> None:
    assert set(shape(text, longest=10_000)) <= set("9aeE*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.95683E+18", "9.99999E+99"),
        ("Smith 42", "aaaaa 99"),
        ("\x1b[2J", "\\x1b[9a"),
    ],
)
def test_shapes(text: str, expected: str) -> None:
    assert shape(text) == expected


def test_a_value_is_cut_and_card_numbers_are_masked() -> None:
    assert shown("a\nb\x1b[2J") == "a\\nb\\x1b[2J"
    assert shown("4111 1111 1111 1111") == "************1111"
    assert shown("x" * 100) == "x" * 60 + "…"
