"""How a batch is cut: few stripes where days are few, more tasks where rows are many, every day in
one stripe.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.layout import Layout
from pipelines.base.days import DayRange

FIRST = date(2026, 1, 1)


def layout(rows: int, days: int, cores: int = 2) -> Layout:
    return Layout.of(
        rows=rows,
        days=DayRange.of_length(FIRST, days),
        reach_days=37,
        cores=cores,
        rows_per_task=1_000,
    )


def test_a_night_is_one_task() -> None:
    assert layout(rows=380, days=1) == Layout()


def test_a_long_history_uses_all_cores() -> None:
    assert layout(rows=900, days=136) == Layout(stripes=2)


@pytest.mark.guarantee(
    "ten times the volume",
    fault="ten times the rows of a night",
    seen="dealt out by key, no task too large",
)
def test_ten_times_the_rows_are_dealt_out_by_key() -> None:
    assert layout(rows=10_000, days=1) == Layout(buckets=10)


@given(rows=st.integers(0, 10**9), days=st.integers(1, 400), cores=st.integers(1, 64))
def test_every_day_is_in_one_stripe_and_no_task_is_too_large(
    rows: int, days: int, cores: int
) -> None:
    span = DayRange.of_length(FIRST, days)
    plan = layout(rows, days, cores)
    stripes = [plan.stripe(number, span) for number in range(plan.stripes)]
    covered: list[date] = []
    for first, last in stripes:
        covered += [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert covered == list(span)
    held = rows * (plan.stripe_length(span) + 37) / (days + 37)
    assert held / plan.buckets <= 1_001
