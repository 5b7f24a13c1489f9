"""How far a matured day must fall before it is told, by hand: days that are all alike, and the
newest.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipelines.nightly.monitor.performance.matured import _below
from pipelines.usecases.policies.watch import WatchPolicy

POLICY = WatchPolicy()
NEWEST = date(2026, 11, 30)


def falls(before: int, newest: float, fewest: float) -> list[tuple[float, float, float, int]]:
    """What is told of a newest day after so many days of 10.0, where chance has no part."""
    series = {NEWEST - timedelta(days=n): 10.0 for n in range(1, before + 1)}
    return list(_below({**series, NEWEST: newest}, POLICY, lambda _: 0.0, fewest))


def test_of_a_home_that_knows_enough_days_the_fewest_are_asked_and_no_more() -> None:
    ((value, usual, strength, days),) = falls(POLICY.matured_days, 6.7, 3.0)
    assert (value, usual, days) == (6.7, 10.0, 1)
    assert strength == pytest.approx(3.3 / 3.0)
    assert falls(POLICY.matured_days, 7.1, 3.0) == []


def test_of_a_young_home_more_is_asked_by_the_root_of_how_many_fewer() -> None:
    few = POLICY.matured_days // 4
    assert falls(few, 4.1, 3.0) == []
    ((_, _, strength, _),) = falls(few, 3.9, 3.0)
    assert strength == pytest.approx(6.1 / 6.0)
    assert falls(POLICY.least_matured - 1, 0.0, 3.0) == []
