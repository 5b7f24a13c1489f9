"""The page of a day: what came in, what the gates said, what drifted, what the alerts of a week ago
were worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from markupsafe import Markup

from pipelines.accounts.account import Account
from pipelines.accounts.drift import ComparedColumn, DriftAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.ledger.ledger import StageRecord
from pipelines.pages.charts import Bar, bars, histogram, lines
from pipelines.pages.render import render, write_page
from pipelines.status.days import DayRow
from pipelines.status.gate_warnings import gate_failures


@dataclass(frozen=True, kw_only=True)
class DayPage:
    """What the page shows.

    `account` is the monitor's; `recent` holds the rows of the days up to this one, which stands
    last; `records` what the gated stages put into the ledger; `columns` what was measured of each
    feature; `score_counts` shares of rows in equal steps of the score, by series.
    """

    use_case: str
    account: MonitorAccount
    recent: Sequence[DayRow]
    records: Mapping[str, StageRecord[Account]]
    columns: Sequence[ComparedColumn]
    score_counts: Mapping[str, Sequence[float]]
    drift_page: bool
    made_by: str


def page_path(folder: Path, day: date, suffix: str = "") -> Path:
    """Where the page of a day is; Evidently's stands beside it with the suffix `-drift`."""
    return folder / "reports" / f"{day}{suffix}.html"


def write_day_page(folder: Path, day: date, page: DayPage) -> Path:
    """Render and write the page; raises `StoreError` where the disk does not take it."""
    return write_page(page_path(folder, day), day_html(day, page))


def day_html(day: date, page: DayPage) -> str:
    """The page as one self-contained HTML document."""
    return render(
        "day.html.j2",
        day=day,
        page=page,
        row=page.recent[-1],
        account=page.account,
        columns=_farthest_first(page.columns),
        drift=page.account.drift or DriftAccount(),
        gates=[
            (stage, gate_failures(record.account), record) for stage, record in page.records.items()
        ],
        charts=_charts(page),
        drift_page=page_path(Path(), day, "-drift").name if page.drift_page else "",
        alert_file=f"../alerts/{day}.csv",
    )


def _farthest_first(columns: Sequence[ComparedColumn]) -> list[ComparedColumn]:
    """By their distance; columns without values on one side come first."""
    return sorted(columns, key=lambda column: -(column.value if column.value is not None else 1e9))


def _charts(page: DayPage) -> dict[str, Markup]:
    days = [row.day for row in page.recent]
    method = page.account.drift.method if page.account.drift else ""
    return {
        "drift": bars(
            [
                Bar(
                    label=column.name,
                    value=column.value,
                    limit=column.threshold,
                    high=bool(column.drifted),
                )
                for column in _farthest_first(page.columns)
            ],
            title="Drift by feature",
            unit=f"distance ({method}), or share of rows off a constant; the mark is the limit",
        ),
        "scores": histogram(
            page.score_counts,
            title="Scores of the day and of the training window",
            unit="score, 0 to 1",
        ),
        "volume": lines(
            days, {"rows": [row.scored for row in page.recent]}, title="Rows scored", unit="rows"
        ),
        "worth": lines(
            days,
            {
                "average precision": [row.average_precision for row in page.recent],
                "alert precision": [row.card_precision for row in page.recent],
            },
            title="Average precision and precision of the alert list, as labels matured",
            unit="share",
        ),
        "moved": lines(
            days,
            {"features": [row.drift_share for row in page.recent]},
            title="Share of features beyond their limit",
            unit="share",
        ),
        "mean": lines(
            days,
            {"mean": [row.score_mean for row in page.recent]},
            title="Mean score",
            unit="score",
        ),
    }
