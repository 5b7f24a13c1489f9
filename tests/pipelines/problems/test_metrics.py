"""Card precision equals the plain-Python oracle; the other metrics say NaN where they have no
meaning.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.problems.metrics import (
    auc_roc,
    average_precision,
    card_precision_at_k,
    card_precision_by_day,
)
from tests.oracles.metrics import card_precision

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.1, 0.5, 0.9]),
        st.sampled_from([0, 0, 1]),
    ),
    min_size=1,
    max_size=60,
)


@given(EVENTS, st.integers(1, 6), st.randoms(use_true_random=False))
def test_card_precision_equals_the_oracle_whatever_the_order_of_rows(events, k, random):
    shuffled = list(events)
    random.shuffle(shuffled)
    day, unit, score, label = (np.array(column) for column in zip(*shuffled, strict=True))
    assert card_precision_at_k(day, unit, score, label, k) == pytest.approx(
        card_precision(events, k), abs=1e-12
    )


def test_a_card_that_was_detected_is_left_out_on_later_days_and_one_that_was_missed_is_not():
    day = np.array([1, 1, 1, 2, 2, 2])
    unit = np.array([10, 11, 12, 10, 11, 12])
    score = np.array([0.9, 0.5, 0.1, 0.9, 0.5, 0.1])
    label = np.array([1, 0, 1, 1, 0, 1])
    assert card_precision_by_day(day, unit, score, label, 2) == {1: 0.5, 2: 0.5}
    assert card_precision_by_day(day, unit, score, label, 1) == {1: 1.0, 2: 0.0}


def test_a_positive_of_another_day_does_not_count():
    assert (
        card_precision_at_k(
            np.array([1, 2]), np.array([7, 7]), np.array([0.9, 0.9]), np.array([0, 1]), 1
        )
        == 0.5
    )


def test_metrics_without_meaning_are_nan():
    score = np.array([0.1, 0.2])
    assert math.isnan(auc_roc(np.array([1, 1]), score))
    assert math.isnan(average_precision(np.array([0, 0]), score))
    assert math.isnan(card_precision_at_k(*(np.array([]),) * 4, 100))
