"""Estimates before labels: right where scores are calibrated, by simulation; and what moved the
scores is found.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from pipelines.accounts.performance import Worth
from pipelines.nightly.monitor.drift.explanation import explain
from pipelines.nightly.monitor.performance.estimate import calibration, estimate, realised
from pipelines.nightly.monitor.performance.review_outcome import worth

CAPACITY = 100


def a_day(rng: np.random.Generator, *, shift: float = 0.0) -> tuple[dict[str, np.ndarray], Worth]:
    """Units with a true chance; scores say half of the log-odds too much, as a model may."""
    odds = rng.normal(-4 + shift, 1.5, 3000)
    label = (rng.random(3000) < 1 / (1 + np.exp(-odds))).astype(int)
    rows = {"unit": np.arange(3000), "score": 1 / (1 + np.exp(-1.5 * odds))}
    return rows, worth(**rows, label=label, amount=np.full(3000, 2.0), capacity=CAPACITY)


def test_intervals_hold_what_comes_true_also_where_the_inputs_move() -> None:
    rng = np.random.default_rng(5)
    past = [a_day(rng)[1] for _ in range(28)]
    probability = calibration(past)
    assert probability is not None
    assert np.all(np.diff(probability) >= 0)
    for shift in (0.0, 1.0):
        within = 0
        for _ in range(60):
            rows, truth = a_day(rng, shift=shift)
            estimated = estimate(**rows, capacity=CAPACITY, probability=probability, past=past)
            came_true = truth.hits / CAPACITY
            checked = realised(estimated, truth)
            within += estimated.low <= came_true <= estimated.high
            expected = (
                estimated.precision,
                estimated.low,
                estimated.high,
                came_true,
                estimated.low <= came_true <= estimated.high,
            )
            assert (
                checked.estimated,
                checked.low,
                checked.high,
                checked.realised,
                checked.within,
            ) == expected
            assert estimated.low <= estimated.precision <= estimated.high
            assert abs(estimated.positives - (truth.hits + truth.missed)) < 6 * np.sqrt(
                estimated.positives
            )
        assert within >= 51, f"{within} of 60 within their 95 % intervals, shift {shift}"


def test_no_calibration_without_matured_days_or_positives() -> None:
    rng = np.random.default_rng(5)
    assert calibration([a_day(rng)[1]] * 4) is None
    nothing = worth(
        **a_day(rng)[0], label=np.zeros(3000, int), amount=np.zeros(3000), capacity=CAPACITY
    )
    assert calibration([nothing] * 10) is None


def test_the_worth_of_a_day_by_hand() -> None:
    outcome = worth(
        unit=np.array([1, 1, 2, 3, 4]),
        score=np.array([0.9, 0.1, 0.8, 0.7, 0.2]),
        label=np.array([0, 1, 0, 1, 1]),
        amount=np.array([5.0, 7.0, 1.0, 11.0, 13.0]),
        capacity=2,
    )
    assert (outcome.hits, outcome.missed, outcome.precision) == (1, 2, 0.5)
    assert (outcome.caught_money, outcome.missed_money) == (7.0, 24.0)
    assert (sum(outcome.counts), sum(outcome.positives)) == (4, 3)
    assert Worth.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


def test_the_feature_that_moved_the_scores_is_named_first() -> None:
    rng = np.random.default_rng(1)
    reference = pd.DataFrame(rng.normal(size=(1500, 4)), columns=list("abcd"))
    today = pd.DataFrame(rng.normal(size=(1500, 4)), columns=list("abcd"))

    def score(matrix: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(3 - matrix @ np.array([1.0, 0.5, 2.0, 0.0])))

    moved = today.assign(b=today["b"] + 3, d=today["d"] + 50)
    shares = explain(reference, moved, list("abcd"), score)
    assert [part.feature for part in shares] == ["b"], "d moved most, and the scores do not use it"
    assert shares[0].share > 0.8
    constant = explain(reference, today.assign(c=0.0), list("abcd"), score)
    assert constant[0].feature == "c"
    assert explain(reference, reference, list("abcd"), score) == []
    assert explain(reference, reference.head(0), list("abcd"), score) == []
