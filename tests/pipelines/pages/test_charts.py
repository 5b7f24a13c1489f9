"""Charts: texts are escaped, gaps stay gaps, and each says in words what it shows."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.pages.charts import Bar, bars, histogram, lines

DAYS = [date(2026, 11, 1) + timedelta(days=n) for n in range(5)]


def test_bars_show_values_limits_and_what_is_beyond() -> None:
    drawn = bars(
        [Bar(label="amount", value=0.7, limit=0.2, high=True), Bar(label="n", value=None)],
        title="t",
        unit="u",
    )
    svg = ElementTree.fromstring(drawn)
    assert svg.attrib["aria-label"] == "t, in u: amount 0.7; n no values"
    assert [rect.attrib["class"] for rect in svg.iter("rect")] == ["high", "one"]
    assert len(list(svg.iter("line"))) == 1


def test_lines_leave_gaps() -> None:
    svg = ElementTree.fromstring(
        lines(DAYS, {"a": [1.0, 2.0, None, 4.0, 5.0]}, title="t", unit="rows", limit=3.0)
    )
    assert [len(line.attrib["points"].split()) for line in svg.iter("polyline")] == [2, 2]
    assert len(list(svg.iter("circle"))) == 4
    assert svg.attrib["aria-label"] == "t, in rows, by day: a: 5 on 2026-11-05, between 1 and 5"


@pytest.mark.parametrize("values", [[None] * 5, [0.0] * 5])
def test_nothing_to_show_is_no_error(values: list[float | None]) -> None:
    ElementTree.fromstring(lines(DAYS, {"a": values}, title="t", unit="rows"))
    ElementTree.fromstring(lines([], {"a": []}, title="t", unit="rows"))
    ElementTree.fromstring(bars([], title="t", unit="u"))
    ElementTree.fromstring(histogram({}, title="t", unit="u"))


@pytest.mark.guarantee("injection", fault="markup in the texts of a picture", seen="text")
def test_markup_in_texts_is_text() -> None:
    evil = '"><script>alert(1)</script>'
    drawn = bars([Bar(label=evil, value=1.0)], title=evil, unit=evil)
    assert "<script" not in drawn
    assert evil in ElementTree.fromstring(drawn).itertext()


def test_a_long_name_is_shortened_beside_its_bar_and_whole_where_one_points() -> None:
    name = "amount_minus_customer_amount_mean_30d_before"
    svg = ElementTree.fromstring(bars([Bar(label=name, value=1.0)], title="t", unit="u"))
    label = next(text for text in svg.iter("text") if text.attrib["class"] == "name")
    assert "".join(label.itertext()) == f"{name}amount_minus_c…mean_30d_before"


def test_a_line_of_zeros_lies_on_an_axis_that_one_can_read() -> None:
    svg = ElementTree.fromstring(lines(DAYS, {"a": [0.0] * 5}, title="t", unit="share"))
    assert [text.text for text in svg.iter("text")][:3] == ["0", "0.5", "1"]


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=30))
def test_every_point_lies_inside_the_picture(values: list[float]) -> None:
    days = [DAYS[0] + timedelta(days=n) for n in range(len(values))]
    svg = ElementTree.fromstring(lines(days, {"a": values}, title="t", unit="rows"))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    for dot in svg.iter("circle"):
        assert 0 <= float(dot.attrib["cx"]) <= width
        assert 0 <= float(dot.attrib["cy"]) <= height
