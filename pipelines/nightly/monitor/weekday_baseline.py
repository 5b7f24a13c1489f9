"""What is usual on such a day: the same weekday's recent past, robustly, so that a Sunday is not an anomaly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

TO_SIGMA = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""
_FEW = 1.3
"""A median of four or five takes part of their spread away; residuals are widened by this."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """`center` of the same weekdays; `sigma` is the robust spread of days about their own weekday's centre."""

    center: float
    sigma: float
    days: int


def same_weekdays(day: date, known: Mapping[date, object], weeks: int) -> list[date]:
    """The days of `known` that are the same weekday in the `weeks` before."""
    return [then for week in range(1, weeks + 1) if (then := day - timedelta(weeks=week)) in known]


def usual(
    day: date, series: Mapping[date, float], *, weeks: int, least: int, odd: Collection[date] = ()
) -> Usual | None:
    """What is usual for `day` by the days before it; None where fewer than `least` of the same weekday are known.

    The spread is that of the days that are not `odd`.
    """
    before = [series[then] for then in same_weekdays(day, series, weeks)]
    if len(before) < least:
        return None
    first = day - timedelta(weeks=weeks)
    window = {then: value for then, value in series.items() if first <= then < day and then not in odd}
    residuals = []
    for then, value in window.items():
        others = [v for d, v in window.items() if d != then and d.weekday() == then.weekday()]
        if len(others) >= least:
            residuals.append(value - float(np.median(others)))
    return Usual(center=float(np.median(before)), sigma=robust_sigma(residuals) * _FEW, days=len(before))


def robust_sigma(residuals: Sequence[float]) -> float:
    """The spread about zero by the median absolute value; 0 for nothing."""
    return TO_SIGMA * float(np.median(np.abs(residuals))) if len(residuals) else 0.0
