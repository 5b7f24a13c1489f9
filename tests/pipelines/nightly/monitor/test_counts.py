"""Hours and blocks that are nearly empty or too full: what the signal says of how much was there
and is usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from pipelines.nightly.monitor.drift.counts import cells, units
from pipelines.nightly.monitor.profile import DayProfile
from pipelines.nightly.monitor.signals import Past, Signal
from pipelines.usecases.policies.watch import WatchPolicy

POLICY = WatchPolicy()


def day_of(hours: Sequence[int]) -> DayProfile:
    """A day with so many rows in each hour, nothing else known."""
    return DayProfile(rows=sum(hours), hours=tuple(hours))


def signals(today: Sequence[int], usual: Sequence[int]) -> list[Signal]:
    """What a day says after six days that were all alike."""
    return list(cells(day_of(today), [day_of(usual)] * 6, POLICY))


def test_a_day_as_usual_says_nothing() -> None:
    assert signals([1000] * 24, [1000] * 24) == []


def test_a_hole_and_a_crowd_say_how_much_of_the_usual_was_there() -> None:
    hole = [1000] * 24
    hole[7] = 20
    (signal,) = signals(hole, [1000] * 24)
    assert (signal.area, signal.name, signal.limit) == ("feed", "hours 7", POLICY.hole)
    assert signal.value == pytest.approx(0.02)
    assert signal.told == "07:00 to 08:00 UTC: 20 rows where 1,000 are usual"
    assert signal.strength == pytest.approx(980 / (1000 + 50**2) ** 0.5 / POLICY.sigmas)
    crowd = [1000] * 24
    crowd[23] = 20_000
    (signal,) = signals(crowd, [1000] * 24)
    assert (signal.area, signal.name, signal.limit) == ("inputs", "hours 23", POLICY.crowd)
    assert signal.value == pytest.approx(20.0)
    assert "20,000 rows where 1,000 are usual" in signal.told


def test_fewer_keys_say_what_share_of_the_usual_came() -> None:
    today = date(2026, 11, 30)
    usual = DayProfile(rows=9000, units={"card": 1000})
    past = Past({today - timedelta(days=n): usual for n in range(1, 36)})
    assert list(units(today, usual, past, POLICY)) == []
    (signal,) = units(today, DayProfile(rows=9000, units={"card": 400}), past, POLICY)
    assert (signal.area, signal.name, signal.value) == ("inputs", "cards", 0.4)
    assert signal.told == "400 different cards, 40% of the usual Monday"
    assert signal.strength == pytest.approx(0.6 / signal.limit)
