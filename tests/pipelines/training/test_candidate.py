"""The threshold: as many units a day as people can review, by scores that the test days have no
part in.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.base.days import DayRange
from pipelines.training.candidate import capacity_threshold, training_days, training_split
from pipelines.usecases.fraud import USE_CASE

ROWS = 60


@given(
    day=arrays(np.int64, ROWS, elements=st.integers(0, 4)),
    unit=arrays(np.int64, ROWS, elements=st.integers(0, 9)),
    score=arrays(np.float64, ROWS, elements=st.floats(0, 1), unique=True),
    capacity=st.integers(1, 6),
)
def test_at_the_threshold_the_capacity_is_used_and_not_exceeded(
    day: np.ndarray, unit: np.ndarray, score: np.ndarray, capacity: int
) -> None:
    threshold = capacity_threshold(day, unit, score, capacity)
    places = capacity * len(set(day))
    all_units = {(d, u) for d, u in zip(day, unit, strict=True)}
    decided = {(d, u) for d, u, s in zip(day, unit, score, strict=True) if s >= threshold}
    assert len(decided) == min(places, len(all_units))


def test_the_days_of_a_training_are_those_of_the_design() -> None:
    as_of = date(2026, 11, 9)
    split = training_split(USE_CASE, as_of)
    assert split.test == DayRange(as_of - timedelta(days=14), as_of - timedelta(days=8))
    assert split.train.last == as_of - timedelta(days=22)
    assert split.known_at.date() == split.test.first
    weeks_searched = timedelta(days=7 * USE_CASE.model.search_folds + USE_CASE.label.delay_days)
    history = split.history(USE_CASE.model.history_days)
    assert training_days(USE_CASE, as_of) == DayRange(
        history.first - weeks_searched, split.test.last
    )
