"""Weighted average precision and its Bayesian bootstrap in plain loops: what the fast ones must
agree with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def weighted_average_precision(
    label: Sequence[int], score: Sequence[float], weight: Sequence[float]
) -> float:
    """The sum over distinct scores, from the highest, of (recall gained) x (precision so far)."""
    total = sum(w for w, y in zip(weight, label, strict=True) if y == 1)
    caught = seen = area = 0.0
    for level in sorted(set(score), reverse=True):
        here = [(w, y) for w, y, s in zip(weight, label, score, strict=True) if s == level]
        gained = sum(w for w, y in here if y == 1)
        caught, seen = caught + gained, seen + sum(w for w, _ in here)
        area += gained / total * caught / seen
    return area


def replicates(
    label: Sequence[int],
    score: Sequence[float],
    unit: Sequence[object],
    weights: Mapping[object, Sequence[float]],
) -> list[float]:
    """Average precision under each of the units' weights."""
    number = len(next(iter(weights.values())))
    return [
        weighted_average_precision(label, score, [weights[u][n] for u in unit])
        for n in range(number)
    ]
