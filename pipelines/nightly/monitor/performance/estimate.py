"""Performance before labels mature: what calibrated scores lead to expect, with an interval.

The method is confidence-based performance estimation (NannyML's CBPE): where scores are calibrated
probabilities, the expected number of positives on a list is their sum. It sees a change of the
inputs, never one of what the scores mean, so it is shown as an estimate and checked once the labels
are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.performance import Estimate, RealisedEstimate, Worth
from pipelines.nightly.monitor.performance.review_outcome import Array, score_bins
from pipelines.problems.unit_ranking import UnitRanking

LEAST_DAYS = 5
_Z = 1.96


def calibration(past: Sequence[Worth]) -> NDArray[np.float64] | None:
    """The probability of a positive by bin of a unit's score, never falling; None for too few
    matured days.
    """
    if len(past) < LEAST_DAYS:
        return None
    counts = np.sum([worth.counts for worth in past], axis=0, dtype=np.float64)
    positives = np.sum([worth.positives for worth in past], axis=0, dtype=np.float64)
    if not positives.sum():
        return None
    rate = float(positives.sum() / counts.sum())
    return _never_falling(np.asarray((positives + rate) / (counts + 1.0)), np.asarray(counts + 1.0))


def estimate(
    *,
    unit: Array,
    score: Array,
    capacity: int,
    probability: NDArray[np.float64],
    past: Sequence[Worth],
) -> Estimate:
    """The expectation for a day; the arrays are parallel, one entry for each event.

    The interval holds chance among the listed units, and how far the same estimate was off on the
    `past` days' lists.
    """
    chance = probability[score_bins(UnitRanking.of(unit, score).best)]
    listed = np.sort(chance)[::-1][:capacity]
    positives = float(listed.sum()) / capacity
    spread = np.sqrt(float((listed * (1 - listed)).sum())) / capacity
    errors = [
        worth.precision - expected_precision(worth.counts, probability, worth.listed)
        for worth in past
    ]
    beyond = np.sqrt(max(0.0, float(np.mean(np.square(errors))) - spread**2)) if errors else 0.0
    wide = _Z * float(np.hypot(spread, beyond))
    return Estimate(
        precision=positives,
        low=max(0.0, positives - wide),
        high=min(1.0, positives + wide),
        positives=float(chance.sum()),
    )


def expected_precision(
    counts: Sequence[int], probability: NDArray[np.float64], capacity: int
) -> float:
    """The same expectation from counts by bin alone: the list is filled from the highest bin
    down.
    """
    left, positives = capacity, 0.0
    for count, chance in zip(reversed(counts), reversed(probability.tolist()), strict=True):
        taken = min(left, count)
        positives += taken * chance
        left -= taken
    return positives / capacity if capacity else 0.0


def realised(estimated: Estimate, worth: Worth) -> RealisedEstimate:
    """An estimate beside what came true, and whether that lay within the interval."""
    return RealisedEstimate(
        estimated=estimated.precision,
        low=estimated.low,
        high=estimated.high,
        realised=worth.precision,
        within=bool(estimated.low <= worth.precision <= estimated.high),
    )


def _never_falling(rates: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pooled adjacent violators: the closest rates that never fall from bin to bin."""
    pools: list[list[float]] = []
    for rate, weight in zip(rates.tolist(), weights.tolist(), strict=True):
        pools.append([rate, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            last, before = pools.pop(), pools.pop()
            total = last[1] + before[1]
            pools.append(
                [(last[0] * last[1] + before[0] * before[1]) / total, total, last[2] + before[2]]
            )
    return np.concatenate([np.full(int(size), rate) for rate, _, size in pools])
