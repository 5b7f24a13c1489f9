"""The bootstrap: its average precision is the plain one, and its intervals hold the truth as often
as they say.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.problems.metrics import average_precision
from pipelines.training.evidence.bootstrap import Family, Resampling, average_precisions, interval
from tests.oracles.bootstrap import replicates

ROWS = 40


@settings(max_examples=60, deadline=None)
@given(
    label=arrays(np.int64, ROWS, elements=st.integers(0, 1)).filter(lambda label: label.any()),
    score=arrays(np.int64, ROWS, elements=st.integers(0, 9)),
    unit=arrays(np.int64, ROWS, elements=st.integers(0, 6)),
)
def test_each_replicate_is_the_plain_weighted_average_precision(
    label: np.ndarray, score: np.ndarray, unit: np.ndarray
) -> None:
    resampling = Resampling.by_unit(unit, replicates=5, seed=3)
    weights = dict(zip(np.unique(unit).tolist(), resampling.weights.tolist(), strict=True))
    expected = replicates(label.tolist(), (score / 10).tolist(), unit.tolist(), weights)
    assert average_precisions(label, score / 10, resampling) == pytest.approx(expected, rel=1e-4)


def test_equal_weights_give_the_metric_of_the_evaluation() -> None:
    random = np.random.default_rng(1)
    label, score = (random.random(500) < 0.1).astype(float), random.integers(0, 50, 500) / 50
    even = Resampling(np.arange(500), np.ones((500, 1), dtype=np.float32))
    assert average_precisions(label, score, even)[0] == pytest.approx(
        average_precision(label, score), rel=1e-5
    )


def test_without_a_positive_there_is_no_figure() -> None:
    resampling = Resampling.by_unit(np.arange(5), replicates=3, seed=1)
    assert np.isnan(average_precisions(np.zeros(5), np.arange(5) / 5, resampling)).all()


def test_a_unit_s_rows_share_their_weight_whatever_part_is_looked_at() -> None:
    unit = np.array([7, 8, 7, 9])
    resampling = Resampling.by_unit(unit, replicates=4, seed=1)
    rows = np.array([False, True, True, False])
    assert np.array_equal(resampling.of(rows).weights, resampling.weights)
    assert resampling.of(rows).index.tolist() == resampling.index[rows].tolist()
    totals = resampling.totals(np.array([1.0, 0.0, 2.0, 0.0]))
    assert totals == pytest.approx(
        3 * resampling.weights[0] / resampling.weights.mean(axis=0), rel=1e-5
    )


def test_the_same_seed_gives_the_same_weights() -> None:
    unit = np.arange(20)
    weights, same, other = (
        Resampling.by_unit(unit, replicates=8, seed=seed).weights for seed in (1, 1, 2)
    )
    assert np.array_equal(weights, same)
    assert not np.array_equal(weights, other)


def _world(random: np.random.Generator, units: int = 150) -> tuple[np.ndarray, ...]:
    """Events of cards whose positives come together; two scorers, the second a little worse."""
    unit = np.repeat(np.arange(units), 6)
    bad_card = random.random(units) < 0.25
    label = (bad_card[unit] & (random.random(len(unit)) < 0.6)).astype(float)
    trait = random.normal(size=units)[unit]
    first = label + 0.5 * trait + random.normal(size=len(unit))
    return unit, label, first, first + 0.5 * random.normal(size=len(unit))


def test_intervals_by_unit_hold_the_truth_about_as_often_as_they_say() -> None:
    """200 small worlds from seeds; the true difference is that of a world a thousand times as
    large.
    """
    _, label, first, second = _world(np.random.default_rng(99), units=60_000)
    truth = average_precision(label, first) - average_precision(label, second)
    held = 0
    for seed in range(200):
        unit, label, first, second = _world(np.random.default_rng(seed))
        resampling = Resampling.by_unit(unit, replicates=200, seed=seed)
        drawn = average_precisions(label, first, resampling) - average_precisions(
            label, second, resampling
        )
        point = average_precision(label, first) - average_precision(label, second)
        bounds = interval(point, drawn, level=0.9)
        held += bounds.low <= truth <= bounds.high
    assert 0.84 <= held / 200 <= 0.96


def test_simultaneous_intervals_are_wider_than_single_ones_and_one_for_each() -> None:
    random = np.random.default_rng(4)
    drawn = {f"s{n}": random.normal(n, 0.1, 2000) for n in range(12)}
    family = Family({name: float(values.mean()) for name, values in drawn.items()}, drawn)
    assert 2.6 < family.critical(0.95) < 3.1
    copies = Family(dict.fromkeys(drawn, 0.0), dict.fromkeys(drawn, drawn["s0"]))
    assert 1.85 < copies.critical(0.95) < 2.1
    assert set(family.intervals(0.95)) == set(drawn)
