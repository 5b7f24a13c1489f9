"""Days and ranges: what is a day, what is refused, and that grouping loses nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.days import DayRange, grouped, midnight, parse_day
from pipelines.base.errors import UsageError

DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))


@pytest.mark.guarantee("path tricks", fault="anything but a calendar day as a day", seen="refused")
@pytest.mark.parametrize(
    "text",
    ["2026-1-1", "20260101", "2026-02-30", "../2026-01-01", "2026-01-01/..", "", "2026-W01-1"],
)
def test_anything_but_a_calendar_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        parse_day(text)


def test_a_reversed_range_is_refused_and_the_right_one_suggested() -> None:
    with pytest.raises(UsageError) as caught:
        DayRange.parse("2026-01-03", "2026-01-02")
    assert caught.value.next_step == "swap the ends: --from 2026-01-02 --to 2026-01-03"
    assert caught.value.exit_code == 2


def test_both_ends_are_included() -> None:
    days = DayRange.parse("2024-02-28", "2024-03-01")
    assert [str(day) for day in days] == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert (days.start, days.end) == (
        datetime(2024, 2, 28, tzinfo=UTC),
        datetime(2024, 3, 2, tzinfo=UTC),
    )


@pytest.mark.guarantee(
    "time", fault="days of summer time, a leap day, year's end", seen="24 hours each"
)
@given(DAYS)
def test_every_day_has_24_hours_utc(day: date) -> None:
    assert midnight(day + timedelta(days=1)) - midnight(day) == timedelta(hours=24)


@given(st.sets(DAYS, max_size=30))
def test_grouping_is_the_same_days_in_the_fewest_ranges(days: set[date]) -> None:
    ranges = grouped(days)
    assert list(chain.from_iterable(ranges)) == sorted(days)
    assert all(a.last + timedelta(days=1) < b.first for a, b in pairwise(ranges))
