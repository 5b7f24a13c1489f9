"""What is usual, by hand: the same weekday's median, and the spread of days about their weekday."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipelines.nightly.weekday_baseline import TO_SIGMA, robust_sigma, same_weekdays, usual
from pipelines.usecases.policies.watch import WatchPolicy

MONDAY = date(2026, 11, 30)


def policy(*, weeks: int, least: int = 2) -> WatchPolicy:
    return WatchPolicy(weeks=weeks, least=least)


def weeks_before(*values: float) -> dict[date, float]:
    """Mondays: the first value is of the week before, the next of two weeks before."""
    return {MONDAY - timedelta(weeks=n): value for n, value in enumerate(values, start=1)}


def test_the_spread_of_nothing_is_none_and_of_something_is_by_its_middle() -> None:
    assert robust_sigma([]) == 0.0
    assert robust_sigma([-1.0, 2.0, 100.0]) == pytest.approx(TO_SIGMA * 2.0)


def test_usual_is_the_median_of_the_same_weekday_within_reach() -> None:
    series = weeks_before(10.0, 12.0, 20.0, 1000.0)
    assert same_weekdays(MONDAY, series, policy(weeks=3)) == list(series)[:3]
    middle = usual(MONDAY, series, policy(weeks=3, least=3))
    assert middle is not None
    assert (middle.center, middle.days) == (12.0, 3)
    assert usual(MONDAY, series, policy(weeks=2, least=3)) is None


def test_the_spread_leaves_out_odd_days_and_the_day_itself() -> None:
    """Each Monday against the median of the others: 10 - 13, 12 - 12, 14 - 11 of the first
    three.
    """
    series = {**weeks_before(10.0, 12.0, 14.0, 500.0), MONDAY: 9000.0}
    odd = {MONDAY - timedelta(weeks=4)}
    measured = usual(MONDAY, series, policy(weeks=4, least=2), odd=odd)
    assert measured is not None
    assert measured.center == 13.0
    assert measured.sigma == pytest.approx(1.3 * TO_SIGMA * 3.0)


def test_without_others_of_its_weekday_there_is_no_spread() -> None:
    few = usual(MONDAY, weeks_before(10.0, 30.0), policy(weeks=4, least=2))
    assert few is not None
    assert (few.center, few.sigma) == (20.0, 0.0)
