"""Has performance fallen? Matured days against those before them, each alone and a few together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from math import sqrt

import numpy as np

from pipelines.usecases.watching import WatchPolicy
from pipelines.watch.signals import Signal
from pipelines.watch.usual import robust_sigma
from pipelines.watch.worth import Worth


def fallen(subject: date, worths: Mapping[date, Worth], policy: WatchPolicy) -> Iterator[Signal]:
    """Signals where `subject` (or the last few matured days up to it) was worth less than the days before.

    Two figures are watched: the share of the review list that was well spent, and the positives that it missed. Nothing
    is said with fewer than `least_matured` days before, or where no positive is known (labels that did not come).
    """
    known = {d: w for d, w in worths.items() if d <= subject and w.hits + w.missed > 0}
    if subject not in known:
        return
    found = list(_below(subject, {d: w.precision for d, w in known.items()}, policy, chance=_precision_chance))
    if found:
        value, usual, strength, days = found[0]
        told = f"{value:.1%} of the review list was well spent {_when(subject, days)}, {usual:.1%} is usual"
        yield Signal(
            area="performance", name="precision", value=value, limit=usual, told=told, strength=strength
        )
    missed = {d: -float(w.missed) for d, w in known.items()}
    found = list(_below(subject, missed, policy, chance=lambda center, _: sqrt(max(1.0, -center))))
    if found:
        value, usual, strength, days = found[0]
        told = f"{-value:.0f} positives a day were missed {_when(subject, days)}, {-usual:.0f} are usual"
        yield Signal(area="performance", name="missed", value=-value, limit=-usual, told=told, strength=strength)


def _when(subject: date, days: int) -> str:
    return f"on {subject}" if days == 1 else f"on the {days} days to {subject}"


def _precision_chance(center: float, worth: Worth | None = None) -> float:
    return sqrt(max(center * (1 - center), 0.01) / 100)


def _below(
    subject: date, series: Mapping[date, float], policy: WatchPolicy, *, chance: object
) -> Iterator[tuple[float, float, float, int]]:
    """(value, usual, strength, days) where the newest day, or the newest few, are below what is usual."""
    days = sorted(series)
    for recent, sigmas in ((1, policy.performance_sigmas), (policy.slow_days, policy.slow_sigmas)):
        newest, before = days[-recent:], days[:-recent][-policy.matured_days :]
        if len(newest) < recent or len(before) < policy.least_matured:
            continue
        usual = float(np.median([series[d] for d in before]))
        sigma = max(
            robust_sigma([series[d] - usual for d in before]),
            float(chance(usual, None)),  # type: ignore[operator]
        )
        value = float(np.mean([series[d] for d in newest]))
        needed = max(sigmas * sigma / (sqrt(recent) if recent > 1 else 1.0), policy.performance_loss * abs(usual))
        if usual - value > needed:
            yield value, usual, (usual - value) / needed, recent
