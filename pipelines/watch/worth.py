"""What a matured day was worth, as plain figures that can be compared from day to day and pooled into a calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.performance import Worth

Array = NDArray[Any]
EDGES = np.linspace(-8.0, 8.0, 33)
"""Edges of the bins of the score's logit: 34 bins, the first and the last open."""


def worth(*, unit: Array, score: Array, label: Array, amount: Array, capacity: int) -> Worth:
    """The worth of a day; the arrays are parallel, one entry for each event: `label` 0/1, `score` 0 to 1."""
    units, place = np.unique(unit, return_inverse=True)
    best = best_scores(score, place, len(units))
    money = np.bincount(place, weights=np.where(label == 1, amount, 0.0), minlength=len(units))
    positive = np.bincount(place, weights=(label == 1).astype(float), minlength=len(units)) > 0
    listed = _listed(units, best, capacity)
    bins = score_bins(best)
    return Worth(
        listed=capacity,
        hits=int((listed & positive).sum()),
        missed=int((~listed & positive).sum()),
        caught_money=float(money[listed].sum()),
        missed_money=float(money[~listed].sum()),
        counts=tuple(np.bincount(bins, minlength=len(EDGES) + 1).tolist()),
        positives=tuple(np.bincount(bins[positive], minlength=len(EDGES) + 1).tolist()),
    )


def on_list(unit: Array, score: Array, capacity: int) -> Array:
    """For each event whether its unit is among the first `capacity` by highest score (ties by unit): bool."""
    units, place = np.unique(unit, return_inverse=True)
    return np.asarray(_listed(units, best_scores(score, place, len(units)), capacity)[place])


def _listed(units: Array, best: Array, capacity: int) -> Array:
    listed = np.zeros(len(units), dtype=bool)
    listed[np.lexsort((units, -best))[:capacity]] = True
    return listed


def best_scores(score: Array, place: Array, units: int) -> Array:
    """The highest score of each unit, in the order of `place` (each event's unit, from 0 on)."""
    best = np.zeros(units)
    np.maximum.at(best, place, score)
    return best


def logit(score: Array) -> Array:
    """log(p / (1 - p)), cut off at one in a million."""
    known = np.clip(np.asarray(score, dtype=np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(known) - np.log1p(-known))


def score_bins(score: Array) -> Array:
    """The bin of each score."""
    return np.digitize(logit(score), EDGES)
