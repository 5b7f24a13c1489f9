"""Instants and days as the engine has them: exact, and back again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from features.instants import day_number, day_of, day_start, instant_of, microseconds_of

INSTANTS = st.integers(-70 * 366 * 86_400_000_000, 7000 * 365 * 86_400_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(INSTANTS)
def test_an_instant_comes_back_to_the_microsecond(instant: datetime) -> None:
    assert instant_of(microseconds_of(instant)) == instant


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(9000, 1, 1)))
def test_a_day_comes_back_and_begins_at_its_midnight(day: date) -> None:
    assert day_of(day_number(day)) == day
    assert day_start(day) == microseconds_of(datetime(day.year, day.month, day.day, tzinfo=UTC))


def test_another_zone_is_the_same_instant() -> None:
    there = datetime(2026, 11, 7, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert microseconds_of(there) == microseconds_of(datetime(2026, 11, 6, 20, 0, tzinfo=UTC))
