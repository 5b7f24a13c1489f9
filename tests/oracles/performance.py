"""Average precision and review-list precision of a day in plain Python, from their definitions."""

from __future__ import annotations

from collections.abc import Sequence


def average_precision(scored: Sequence[tuple[float, bool]]) -> float:
    """Sum over thresholds of the recall gained times the precision there; equal scores are one
    threshold.
    """
    positives = sum(positive for _, positive in scored)
    total, caught, seen = 0.0, 0, 0
    for threshold in sorted({score for score, _ in scored}, reverse=True):
        here = [positive for score, positive in scored if score == threshold]
        seen += len(here)
        caught += sum(here)
        total += sum(here) / positives * caught / seen
    return total


def list_precision(
    units: Sequence[tuple[int, float, bool]], known_units: set[int], capacity: int
) -> float:
    """Share of the first `capacity` units, by highest score (ties by unit), with a positive; known
    ones left out.
    """
    best: dict[int, tuple[float, bool]] = {}
    for unit, score, positive in units:
        highest, had = best.get(unit, (float("-inf"), False))
        best[unit] = (max(score, highest), had or positive)
    ranked = sorted((-score, unit) for unit, (score, _) in best.items() if unit not in known_units)[
        :capacity
    ]
    return sum(best[unit][1] for _, unit in ranked) / capacity
