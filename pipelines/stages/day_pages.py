"""The page of each watched day: its account, the weeks before it, the gates that it passed, how its scores lie."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np

from pipelines.platform.days import DayRange
from pipelines.report.day_page import DayPage, write_day_page
from pipelines.report.days import day_rows
from pipelines.run import Run, code_version
from pipelines.watch.comparison import SCORE, Comparison
from pipelines.watch.drift import Drift

DAYS_SHOWN = 28
GATED = ("ingest", "features", "score")


def write_pages(
    run: Run,
    days: DayRange,
    accounts: Mapping[date, Mapping[str, Any]],
    drifts: Mapping[date, tuple[Drift, Comparison | None]],
    *,
    evidently: bool,
) -> None:
    """`<home>/reports/<day>.html` for each of `days`; `evidently`: its own page was made beside ours."""
    rows = day_rows(run, days.widened(before=DAYS_SHOWN - 1), monitored=accounts)
    gates = {stage: run.ledger.latest(stage, first=days.first, last=days.last) for stage in GATED}
    for day in days:
        drift, comparison = drifts[day]
        page = DayPage(
            use_case=run.use_case.name,
            account=accounts[day],
            recent=[row for row in rows if day - timedelta(days=DAYS_SHOWN) < row.day <= day],
            records={stage: records[day] for stage, records in gates.items() if day in records},
            columns=[vars(column) | {"drifted": column.drifted} for column in drift.columns],
            score_counts=_score_counts(comparison),
            drift_page=evidently and comparison is not None and not comparison.refusal,
            made_by=f"run {run.run_id}, code {code_version()}, {run.clock():%Y-%m-%d %H:%M} UTC",
        )
        write_day_page(run.settings.home, day, page)


def _score_counts(comparison: Comparison | None) -> dict[str, list[float]]:
    """Shares of rows by score in 20 equal steps from 0 to 1: of the day and of its reference."""
    if comparison is None or comparison.refusal:
        return {}
    return {
        name: (np.histogram(frame[SCORE].dropna(), bins=20, range=(0.0, 1.0))[0] / len(frame)).tolist()
        for name, frame in (("training window", comparison.reference), ("this day", comparison.current))
    }
