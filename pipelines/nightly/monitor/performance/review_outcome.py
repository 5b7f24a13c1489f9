"""What a matured day was worth, as plain figures that can be compared from day to day and pooled
into a calibration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.performance import Worth
from pipelines.problems.unit_ranking import UnitRanking

Array = NDArray[Any]
EDGES = np.linspace(-8.0, 8.0, 33)
"""Edges of the bins of the score's logit: 34 bins, the first and the last open."""


def worth(*, unit: Array, score: Array, label: Array, amount: Array, capacity: int) -> Worth:
    """The worth of a day; the arrays are parallel, one entry for each event: `label` 0/1, `score` 0
    to 1.
    """
    ranking = UnitRanking.of(unit, score)
    weights = np.where(label == 1, amount, 0.0)
    money = np.bincount(ranking.place, weights=weights, minlength=len(ranking.units))
    positive = ranking.any_by_unit(label == 1)
    listed = ranking.listed(capacity)
    bins = score_bins(ranking.best)
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
    """For each event whether its unit is among the first `capacity` by highest score (ties by
    unit): bool.
    """
    ranking = UnitRanking.of(unit, score)
    return np.asarray(ranking.listed(capacity)[ranking.place])


def logit(score: Array) -> Array:
    """log(p / (1 - p)), cut off at one in a million."""
    clipped = np.clip(np.asarray(score, dtype=np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def score_bins(score: Array) -> Array:
    """The bin of each score."""
    return np.digitize(logit(score), EDGES)
