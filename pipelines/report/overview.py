"""`tollgate report`: one self-contained page that says what happened, day by day, and what needs a person."""

from __future__ import annotations

import os
from pathlib import Path

from markupsafe import Markup

from pipelines.platform.days import DayRange
from pipelines.report.charts import lines
from pipelines.report.days import DayRow
from pipelines.report.render import render, write_page
from pipelines.report.standing import Standing, standing
from pipelines.run import Run, code_version


def overview_path(home: Path) -> Path:
    """Where the page is unless somebody asks for another place."""
    return home / "reports" / "index.html"


def write_overview(run: Run, days: DayRange | None = None, out: Path | None = None) -> Path:
    """Write the page of `days` (by default the newest fortnight) and return where it is; reads the ledger alone."""
    path = out or overview_path(run.settings.home)
    return write_page(path, overview_html(run, standing(run, days), folder=path.parent))


def overview_html(run: Run, now: Standing, *, folder: Path) -> str:
    """The page as one HTML document; links to the pages of days are relative to `folder`, where it will be."""
    return render(
        "overview.html.j2",
        now=now,
        rows=list(reversed(now.rows)),
        charts=_charts(list(now.rows)),
        pages={row.day: link for row in now.rows if (link := _link(row, run.settings.home, folder))},
        totals=_totals(list(now.rows)),
        delay=run.use_case.label.delay_days,
        capacity=run.use_case.review.capacity,
        made_by=f"{run.clock():%Y-%m-%d %H:%M} UTC, code {code_version()}",
    )


def _link(row: DayRow, home: Path, folder: Path) -> str:
    path = home / row.page if row.page else None
    return os.path.relpath(path, folder) if path and path.exists() else ""


def _totals(rows: list[DayRow]) -> dict[str, int]:
    names = ("rows_in", "accepted", "quarantined", "duplicates", "scored", "alerts")
    return {name: sum(getattr(row, name) or 0 for row in rows) for name in names}


def _charts(rows: list[DayRow]) -> dict[str, Markup]:
    days = [row.day for row in rows]
    return {
        "Rows in, by day": lines(days, {"rows in": [row.rows_in for row in rows]}, title="Rows in", unit="rows"),
        "Share of rows quarantined, by day": lines(
            days, {"share": [row.quarantine_rate for row in rows]}, title="Quarantined", unit="share of rows in"
        ),
        "Share of features beyond their drift limit, by day": lines(
            days, {"share": [row.drift_share for row in rows]}, title="Drift", unit="share of features"
        ),
        "Precision of the alert list, once labels matured": lines(
            days, {"share": [row.card_precision for row in rows]}, title="Alert list precision", unit="share of alerts"
        ),
    }
