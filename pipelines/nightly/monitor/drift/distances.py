"""Distances between two samples of a column, the same figures as Evidently's methods of these
names, in numpy alone.

Evidently takes 5 s to import; where no report page is wanted (a bulk load) these stand in, and a
test holds them equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import ConfigurationError

Values = NDArray[np.float64]
_FEW_VALUES = 20
_SMALLEST_SPREAD = 0.001
_EMPTY_BIN = 0.0001


def wasserstein(reference: Values, current: Values) -> float:
    """Wasserstein-1 distance in standard deviations of `reference`: how far its mass has to move.

    Needs no bins.
    """
    left, right = np.sort(reference), np.sort(current)
    every = np.sort(np.concatenate([left, right]))
    share_left = np.searchsorted(left, every[:-1], side="right") / len(left)
    share_right = np.searchsorted(right, every[:-1], side="right") / len(right)
    distance = float(np.sum(np.abs(share_left - share_right) * np.diff(every)))
    return distance / max(float(np.std(reference)), _SMALLEST_SPREAD)


def psi(reference: Values, current: Values) -> float:
    """Population stability index over equal-width (Sturges) bins, or over the values where these
    are at most 20.
    """
    if len(np.unique(reference)) > _FEW_VALUES:
        edges = np.histogram_bin_edges(np.concatenate([reference, current]), bins="sturges")
        counts = [np.histogram(sample, edges)[0] for sample in (reference, current)]
    else:
        keys = np.union1d(reference, current)
        counts = [
            np.array([np.sum(sample == key) for key in keys]) for sample in (reference, current)
        ]
    expected, shares = _filled(counts[0] / len(reference)), _filled(counts[1] / len(current))
    return float(np.sum((expected - shares) * np.log(expected / shares)))


METHODS: Mapping[str, Callable[[Values, Values], float]] = {"wasserstein": wasserstein, "psi": psi}


def method(name: str) -> Callable[[Values, Values], float]:
    """The method of that name; raises `ConfigurationError` that lists those there are."""
    if name not in METHODS:
        raise ConfigurationError(
            "the drift policy names a method that is not there",
            where="DriftPolicy.method of the use case",
            expected=" or ".join(METHODS),
            found=repr(name),
            next_step="choose one of these",
        )
    return METHODS[name]


def _filled(shares: NDArray[Any]) -> Values:
    """Shares without zeros, filled as Evidently fills them: the logarithm needs them."""
    smallest = shares[shares > 0].min()
    return np.where(shares == 0, smallest / 10**6 if smallest <= _EMPTY_BIN else _EMPTY_BIN, shares)
