"""What is usual on such a day: the same weekday's recent past, so that no Sunday is an anomaly.

The one definition for the gate of ingest, the figures of monitor and the diagnosis: `weeks` and
`least` of the watch policy say how far it looks back and how many days it needs (decision 0323).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipelines.usecases.policies.watch import WatchPolicy

TO_SIGMA = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""
_FEW = 1.3
"""A median of four or five takes part of their spread away; residuals are widened by this."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """`center` of the same weekdays; `sigma` is the robust spread of days about their own weekday's
    centre.
    """

    center: float
    sigma: float
    days: int


def window_before(day: date, days: Iterable[date], policy: WatchPolicy) -> list[date]:
    """The known days of the policy's `weeks` before `day`, in their order."""
    first = day - timedelta(weeks=policy.weeks)
    return [earlier for earlier in days if first <= earlier < day]


def same_weekdays(day: date, days: Iterable[date], policy: WatchPolicy) -> list[date]:
    """The days of that window that are the same weekday, the newest first."""
    window = window_before(day, days, policy)
    return sorted(
        (earlier for earlier in window if earlier.weekday() == day.weekday()), reverse=True
    )


def other_days_of_weekday(day: date, days: Iterable[date]) -> list[date]:
    """The known days of the same weekday, before or after, without the day itself."""
    return [other for other in days if other != day and other.weekday() == day.weekday()]


def usual(
    day: date, series: Mapping[date, float], policy: WatchPolicy, *, odd: Collection[date] = ()
) -> Usual | None:
    """What is usual for `day` by the same weekdays before it; None for fewer than the policy's
    `least`.

    The spread is that of the window's days that are not `odd`.
    """
    before = [series[earlier] for earlier in same_weekdays(day, series, policy)]
    if len(before) < policy.least:
        return None
    calm = [earlier for earlier in window_before(day, series, policy) if earlier not in odd]
    residuals = []
    for earlier in calm:
        others = [series[other] for other in other_days_of_weekday(earlier, calm)]
        if len(others) >= policy.least:
            residuals.append(series[earlier] - float(np.median(others)))
    return Usual(
        center=float(np.median(before)), sigma=robust_sigma(residuals) * _FEW, days=len(before)
    )


def robust_sigma(residuals: Sequence[float]) -> float:
    """The spread about zero by the median absolute value; 0 for nothing."""
    return TO_SIGMA * float(np.median(np.abs(residuals))) if len(residuals) else 0.0
