"""Our distances are Evidently's and scipy's, figure by figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.base.errors import ConfigurationError
from pipelines.nightly.monitor.drift.distances import METHODS, method, psi, wasserstein

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False, width=32)
SAMPLES = arrays(np.float64, st.integers(1, 60), elements=NUMBERS)


@settings(max_examples=200, deadline=None)
@given(SAMPLES, SAMPLES)
def test_wasserstein_is_scipys_in_standard_deviations(
    reference: np.ndarray, current: np.ndarray
) -> None:
    from scipy.stats import wasserstein_distance

    expected = wasserstein_distance(reference, current) / max(np.std(reference), 0.001)
    assert wasserstein(reference, current) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(SAMPLES)
def test_a_sample_has_not_moved_from_itself(sample: np.ndarray) -> None:
    assert wasserstein(sample, sample) == 0
    assert psi(sample, sample) == pytest.approx(0, abs=1e-12)


def test_a_bin_that_is_empty_counts_as_nearly_empty() -> None:
    """By hand: half and half against all in one; the empty bin has a share of 1 in 10,000."""
    reference, current = np.array([0.0, 1.0] * 50), np.zeros(80)
    expected = (0.5 - 1) * np.log(0.5 / 1) + (0.5 - 0.0001) * np.log(0.5 / 0.0001)
    assert psi(reference, current) == pytest.approx(expected, rel=1e-12)


def test_the_empty_bin_among_a_million_is_far_below_the_smallest_share() -> None:
    """By hand: where a share itself is below 1 in 10,000, an empty bin has a millionth of it."""
    reference = np.append(np.zeros(99_999), [1.0])
    current = np.append(np.zeros(99_999), [2.0])
    share = 1 / 100_000
    expected = 2 * (share - share / 10**6) * np.log(10**6)
    assert psi(reference, current) == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_both_methods_give_evidentlys_figures() -> None:
    from evidently.legacy.calculations.stattests.psi import _psi
    from evidently.legacy.calculations.stattests.wasserstein_distance_norm import (
        _wasserstein_distance_norm,
    )
    from evidently.legacy.core import ColumnType

    rng = np.random.default_rng(3)
    pairs = {
        "bell": (rng.normal(0, 1, 900), rng.normal(0.3, 1.2, 700)),
        "heavy tail": (rng.lognormal(0, 2, 900), rng.lognormal(0.1, 2, 700)),
        "flag": (rng.integers(0, 2, 900).astype(float), np.zeros(700)),
        "counts": (rng.poisson(3, 900).astype(float), rng.poisson(4, 700).astype(float)),
        "constant": (np.full(900, 5.0), np.full(700, 5.0)),
        "new value": (np.full(900, 5.0), np.full(700, 6.0)),
    }
    for name, (reference, current) in pairs.items():
        left, right = pd.Series(reference), pd.Series(current)
        assert psi(reference, current) == pytest.approx(
            _psi(left, right, ColumnType.Numerical, 0.1)[0]
        ), name
        expected = _wasserstein_distance_norm(left, right, ColumnType.Numerical, 0.1)[0]
        assert wasserstein(reference, current) == pytest.approx(expected), name


def test_an_unknown_method_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="'ks'") as caught:
        method("ks")
    assert all(name in caught.value.expected for name in METHODS)
