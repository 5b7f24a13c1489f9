"""Documents: the same content as Markdown and HTML, values never become markup, no section is
empty.
"""

from __future__ import annotations

import pytest

from pipelines.base.errors import PermanentError
from pipelines.pages.document import Document, Grid, Picture, Section, Text

HOSTILE = "<script>alert(1)</script> | [x](javascript:1) *bold*"


@pytest.mark.guarantee("injection", fault="markup in the values of a report", seen="text")
def test_values_never_become_markup() -> None:
    document = Document(HOSTILE, [Section(HOSTILE, [Text(HOSTILE), Grid(("a",), [[HOSTILE]])])])
    page, text = document.to_html(), document.to_markdown()
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 5
    assert "<script>" not in text
    assert text.splitlines()[-1].count("|") - text.splitlines()[-1].count("\\|") == 2


def test_numbers_read_well() -> None:
    page = Document(
        "t", [Section("s", [Grid(("n",), [[12345], [0.123456], [None], [float("nan")]])])]
    ).to_html()
    for shown in ("12,345", "0.1235", "–"):
        assert shown in page


def test_pictures_say_what_is_seen() -> None:
    picture = Picture("plots/p.png", b"png", "a caption", 'alt "text"')
    document = Document("t", [Section("s", [picture])])
    assert 'alt="alt &quot;text&quot;"' in document.to_html()
    assert '![alt "text"](plots/p.png)' in document.to_markdown()


@pytest.mark.parametrize("blocks", [[], [Text(" ")], [Grid(("a",), [])]])
def test_an_empty_section_is_an_error(blocks: list[Text]) -> None:
    with pytest.raises(PermanentError, match="section is empty"):
        Section("Results", blocks)
