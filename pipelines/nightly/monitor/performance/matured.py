"""Has performance fallen? Matured days against those before them, each alone and a few together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from math import pi, sqrt

import numpy as np

from pipelines.accounts.performance import Worth
from pipelines.nightly.monitor.signals import Signal
from pipelines.nightly.weekday_baseline import robust_sigma
from pipelines.usecases.policies.watch import WatchPolicy

_MEDIAN = pi / 2
"""Variance of a median over that of a mean, for normal values."""


def fallen(subject: date, worths: Mapping[date, Worth], policy: WatchPolicy) -> Iterator[Signal]:
    """Signals where `subject` (or the last few matured days up to it) was worth less than the days
    before.

    Two figures are watched: the share of the review list that was well spent, and the positives
    that it missed, for as many units as usual (a busy day misses more). Nothing is said with fewer
    than `least_matured` days before, where no positive is known (labels that did not come), or of a
    fall of fewer than `performance_positives` positives.
    """
    judged = {d: w for d, w in worths.items() if d <= subject and w.hits + w.missed > 0}
    if subject not in judged:
        return
    capacity = judged[subject].listed
    precision = {d: w.precision for d, w in judged.items()}
    fewest = policy.performance_positives / max(1, capacity)
    for value, usual, strength, days in _below(
        precision, policy, partial(_chance_of_share, capacity), fewest
    ):
        text = (
            f"{value:.1%} of the review list was well spent {_when(subject, days)}, {usual:.1%} is"
            " usual"
        )
        yield Signal(
            area="performance",
            name="precision",
            value=value,
            limit=usual,
            told=text,
            strength=strength,
        )
        break
    size = float(np.median([sum(w.counts) for w in judged.values()])) or 1.0
    missed = {d: -w.missed * size / max(1, sum(w.counts) or size) for d, w in judged.items()}
    for value, usual, strength, days in _below(
        missed, policy, _chance_of_count, policy.performance_positives
    ):
        text = (
            f"{-value:.0f} positives a day were missed {_when(subject, days)}, {-usual:.0f} are"
            " usual"
        )
        yield Signal(
            area="performance",
            name="missed",
            value=-value,
            limit=-usual,
            told=text,
            strength=strength,
        )
        break


def _when(subject: date, days: int) -> str:
    return f"on {subject}" if days == 1 else f"on the {days} days to {subject}"


def _chance_of_share(capacity: int, share: float) -> float:
    return sqrt(max(share * (1 - share), 0.01) / max(1, capacity))


def _chance_of_count(negative: float) -> float:
    return sqrt(max(1.0, -negative))


def _below(
    series: Mapping[date, float],
    policy: WatchPolicy,
    chance: Callable[[float], float],
    fewest: float,
) -> Iterator[tuple[float, float, float, int]]:
    """(value, usual, strength, days) where the newest day, or the newest few, are below what is
    usual.

    `chance` gives a single day's standard deviation by its usual value; it is wider while fewer
    than `matured_days` say what is usual, so that a new home does not take a lucky week for the
    rule. A fall by less than `fewest` on a day, or by less than the root of the number of days
    times that on several together, is none; of a home that knows fewer than `matured_days` more is
    asked, by the root of how many fewer.
    """
    days = sorted(series)
    for recent, sigmas in ((1, policy.performance_sigmas), (policy.slow_days, policy.slow_sigmas)):
        newest, before = days[-recent:], days[:-recent][-policy.matured_days :]
        if len(newest) < recent or len(before) < policy.least_matured:
            continue
        usual = float(np.median([series[d] for d in before]))
        means = [
            float(np.mean([series[d] for d in before[n : n + recent]]))
            for n in range(len(before) - recent + 1)
        ]
        unsure = _MEDIAN * (1 / len(before) - 1 / policy.matured_days)
        by_chance = chance(usual) * sqrt(1 / recent + unsure)
        sigma = max(robust_sigma([mean - usual for mean in means]), by_chance)
        value = float(np.mean([series[d] for d in newest]))
        young = sqrt(max(1.0, policy.matured_days / len(before)))
        needed = max(
            sigmas * sigma, policy.performance_loss * abs(usual), young * fewest / sqrt(recent)
        )
        if usual - value > needed:
            yield value, usual, (usual - value) / needed, recent
