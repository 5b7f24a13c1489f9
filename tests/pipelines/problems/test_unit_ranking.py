"""The ranking of units against a plain sort: ties, NaN, and the event that stands for a unit."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.problems.unit_ranking import UnitRanking

SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.9, math.nan])
EVENTS = st.lists(st.tuples(st.integers(1, 6), SCORES), min_size=0, max_size=40)


def plain_ranking(events: list[tuple[int, float]]) -> dict[int, float]:
    """Units in the order of their ranks, with their best scores."""
    best: dict[int, float] = {}
    for unit, score in events:
        comparable = -math.inf if math.isnan(score) else score
        best[unit] = max(best.get(unit, -math.inf), comparable)
    return dict(sorted(best.items(), key=lambda item: (-item[1], item[0])))


def arrays(events: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([unit for unit, _ in events], dtype=np.int64), np.array(
        [score for _, score in events]
    )


@given(EVENTS)
def test_units_rank_by_their_highest_score_then_by_unit(events: list[tuple[int, float]]) -> None:
    unit, score = arrays(events)
    ranking = UnitRanking.of(unit, score)
    expected = plain_ranking(events)
    assert ranking.units[ranking.order].tolist() == list(expected)
    assert ranking.best[ranking.order].tolist() == list(expected.values())
    assert set(ranking.units[ranking.listed(3)].tolist()) == set(list(expected)[:3])


@given(EVENTS, st.integers(0, 7), st.randoms(use_true_random=False))
def test_each_listed_unit_stands_with_its_riskiest_event(
    events: list[tuple[int, float]], capacity: int, order: object
) -> None:
    """Whatever the order of rows: the highest score, and of equal scores the lowest event."""
    numbered = [(number, *pair) for number, pair in enumerate(events)]
    order.shuffle(numbered)  # type: ignore[attr-defined]
    unit, score = arrays([(unit, number) for _, unit, number in numbered])
    event = np.array([number for number, _, _ in numbered], dtype=np.int64)
    rows = UnitRanking.of(unit, score).riskiest_events(event, capacity)

    expected = []
    for ranked, best in list(plain_ranking(events).items())[:capacity]:
        same = [
            n
            for n, (unit, s) in enumerate(events)
            if unit == ranked and (s == best or math.isinf(best))
        ]
        expected.append(min(same))
    assert event[rows].tolist() == expected


def test_a_unit_has_an_event_that_is_true_where_any_of_its_events_is() -> None:
    ranking = UnitRanking.of(np.array([2, 1, 2]), np.array([0.1, 0.2, 0.3]))
    assert ranking.any_by_unit(np.array([True, False, False])).tolist() == [False, True]
