"""Review units (cards) that are known already when a day begins: nobody has to be told of them once
more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipelines.base.days import DayRange, midnight
from pipelines.problems.labels import with_reports
from pipelines.run import Run


@dataclass(frozen=True)
class KnownUnits:
    """When each unit had positives reported (UTC), and for how many days that makes it known."""

    reports: Mapping[object, tuple[datetime, ...]]
    detected_days: int

    def at(self, day: date) -> frozenset[object]:
        """Units with a positive that was reported before `day` began, at most `detected_days` days
        before.
        """
        end, start = midnight(day), midnight(day - timedelta(days=self.detected_days))
        return frozenset(
            unit
            for unit, times in self.reports.items()
            if any(start <= time < end for time in times)
        )

    def mask(self, day: date, units: NDArray[np.generic]) -> NDArray[np.bool_]:
        """For each entry of `units` whether it is known when `day` begins."""
        detected_units = self.at(day)
        return np.fromiter((unit in detected_units for unit in units.tolist()), bool, len(units))


def known_units(run: Run, days: DayRange) -> KnownUnits:
    """The units that are known on any of `days`, from the lake's reports and events.

    Reads the reports of the `detected_days` before, and the events of as many days more as a report
    may be late: the label delay and the lateness that ingest allows. An event older than that makes
    its unit known no more.
    """
    use_case = run.use_case
    detected_units = use_case.review.detected_days
    if not (run.lake.exists(use_case.labels.name) and run.lake.exists(use_case.events.name)):
        return KnownUnits({}, detected_units)
    reach = detected_units + use_case.label.delay_days + use_case.ingest.lateness_days
    last = days.last - timedelta(days=1)
    reports = run.lake.read(
        use_case.labels.name, days=DayRange(days.first - timedelta(days=detected_units), last)
    )
    events = run.lake.read(
        use_case.events.name, days=DayRange(days.first - timedelta(days=reach), last)
    )
    unit, reported_at = use_case.review.unit, use_case.label.reported_at
    events_with_reports = with_reports(events.select(*use_case.events.key, unit), reports, use_case)
    rows = (
        events_with_reports.where(f"{reported_at} IS NOT NULL")
        .select(unit, reported_at)
        .distinct()
        .toArrow()
    )
    times: dict[object, list[datetime]] = {}
    for name, time in zip(rows[unit].to_pylist(), rows[reported_at].to_pylist(), strict=True):
        times.setdefault(name, []).append(time)
    return KnownUnits(
        {name: tuple(sorted(moments)) for name, moments in times.items()}, detected_units
    )
