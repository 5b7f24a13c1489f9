"""The page of each watched day: its account, the weeks before it, the gates that it passed, how its
scores lie.

A page is a function of the ledger: one whose account is told again is written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from pipelines.accounts.monitor import MonitorAccount, ShownAccount
from pipelines.base.days import DayRange
from pipelines.nightly.monitor.day_page import DayPage, write_day_page
from pipelines.nightly.monitor.drift.comparison import SCORE, Comparison
from pipelines.run import Run, code_version
from pipelines.status.days import day_rows

DAYS_SHOWN = 28
GATED = ("ingest", "features", "score")


def shown(comparison: Comparison | None, *, evidently: bool) -> ShownAccount:
    """What the page shows beside the figures."""
    compared = comparison is not None and not comparison.refusal
    return ShownAccount(score_counts=_score_counts(comparison), drift_page=evidently and compared)


def write_pages(run: Run, days: DayRange, accounts: Mapping[date, MonitorAccount]) -> None:
    """`<home>/<use case>/reports/<day>.html` for each of `days`, from its account alone."""
    rows = day_rows(run, days.widened(before=DAYS_SHOWN - 1), monitored=accounts)
    gates = {stage: run.ledger.latest(stage, first=days.first, last=days.last) for stage in GATED}
    for day in days:
        account = accounts[day]
        shown_too = account.shown or ShownAccount()
        page = DayPage(
            use_case=run.use_case.name,
            account=account,
            recent=[row for row in rows if day - timedelta(days=DAYS_SHOWN) < row.day <= day],
            records={stage: records[day] for stage, records in gates.items() if day in records},
            columns=account.drift.compared if account.drift else (),
            score_counts=shown_too.score_counts,
            drift_page=shown_too.drift_page,
            made_by=f"run {run.run_id}, code {code_version()}, {run.clock():%Y-%m-%d %H:%M} UTC",
        )
        write_day_page(run.folder, day, page)


def _score_counts(comparison: Comparison | None) -> dict[str, tuple[float, ...]]:
    """Shares of rows by score in 20 equal steps from 0 to 1: of the day and of its reference."""
    if comparison is None or comparison.refusal:
        return {}
    return {
        name: tuple(
            (
                np.histogram(frame[SCORE].dropna(), bins=20, range=(0.0, 1.0))[0] / len(frame)
            ).tolist()
        )
        for name, frame in (
            ("training window", comparison.reference),
            ("this day", comparison.current),
        )
    }
