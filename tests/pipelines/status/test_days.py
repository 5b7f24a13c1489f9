"""Rows of days, standing and overview: from ledger records alone."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.ops.one_file import write_report
from pipelines.run import Run
from pipelines.status.days import day_rows
from pipelines.status.status import standing
from pipelines.usecases.registry import load
from tests.accounts import (
    account_of,
    features_account,
    ingest_account,
    monitor_account,
    score_account,
)

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
FIRST = date(2026, 11, 1)
EVIL = '<script>alert("1")</script>'


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="r1", clock=lambda: AT)


def record(run: Run, stage: str, number: int, status: str = "done", **payload: Any) -> None:
    run.ledger.record_stage(day(number), account_of(stage, payload), status, run_id="r1", at=AT)


def monitored(
    subject: int | None = None, *, detected: bool = False, retrain_asked: bool = False
) -> dict[str, Any]:
    worth = (
        {"subject_day": str(day(subject)), "average_precision": 0.6, "card_precision": 0.31}
        if subject is not None
        else None
    )
    drift = {
        "judged": True,
        "detected": detected,
        "share": 0.5,
        "score": 0.1,
        "summary": f"amount moved {EVIL}",
    }
    return {
        "volume_ratio": 1.1,
        "quarantine_rate": 0.01,
        "drift": drift,
        "performance": worth,
        "retrain": {"asked": retrain_asked, "reason": "drift"},
        "page": "/nowhere/page.html",
    }


def fill(run: Run) -> None:
    passed = {"passed": True, "failures": []}
    warned = {"passed": True, "failures": [{"severity": "warning"}]}
    for number in range(10):
        record(
            run,
            "ingest",
            number,
            state="arrived",
            rows_in=100,
            accepted=95,
            quarantined=3,
            duplicates=2,
            late=0,
            gate={"transactions": passed},
        )
        if number == 5:
            record(
                run,
                "features",
                number,
                "refused",
                reason=f"amount is null {EVIL}",
                gate={"passed": False},
            )
            continue
        record(run, "features", number, rows=95, gate=warned if number == 4 else passed)
        record(
            run,
            "score",
            number,
            rows=95,
            alerts=10,
            score_mean=0.02,
            release="fraud-1",
            fallback=number == 3,
            fallback_reason="the model is gone",
            gate=passed,
        )
        account = monitored(
            number - 7 if number >= 7 else None, detected=number == 9, retrain_asked=number == 9
        )
        record(run, "monitor", number, **account)


def test_a_row_gathers_what_every_stage_said(run: Run) -> None:
    fill(run)
    rows = {row.day: row for row in day_rows(run, DayRange(day(0), day(9)))}
    assert len(rows) == 10
    quiet = rows[day(1)]
    assert (quiet.rows_in, quiet.accepted, quiet.quarantined, quiet.duplicates) == (100, 95, 3, 2)
    assert quiet.gates == {"ingest": "passed", "features": "passed", "score": "passed"}
    assert (quiet.alerts, quiet.release, quiet.fallback, quiet.problems) == (
        10,
        "fraud-1",
        False,
        (),
    )
    assert rows[day(4)].gates["features"] == "warning"
    assert rows[day(5)].gates == {"ingest": "passed", "features": "refused"}
    assert rows[day(5)].scored is None
    assert rows[day(9)].retrain_asked
    assert any("the rule scored" in problem.text for problem in rows[day(3)].problems)


def test_precision_stands_with_the_day_it_speaks_of(run: Run) -> None:
    fill(run)
    rows = {row.day: row for row in day_rows(run, DayRange(day(0), day(4)))}
    assert [rows[day(n)].card_precision for n in range(5)] == [0.31, 0.31, 0.31, None, None]


def test_the_newest_record_of_a_stage_counts(run: Run) -> None:
    fill(run)
    record(run, "features", 5, rows=95, gate={"passed": True, "failures": []})
    (row,) = day_rows(run, DayRange.single(day(5)))
    assert row.gates["features"] == "passed"
    assert row.problems == ()


def test_standing_says_what_needs_a_person(run: Run) -> None:
    fill(run)
    now = standing(run)
    assert now.champion is None
    assert now.newest["features"] == day(9)
    attention = {(str(when), what.split(":")[0]) for when, what in now.attention}
    assert (str(day(5)), "features refused") in attention
    assert (str(day(5)), "score has not run") in attention
    assert (str(day(9)), "drift") in attention
    assert ("None", "no model has been released") in {(w, t.split(":")[0]) for w, t in attention}
    assert standing(run, DayRange(day(0), day(2))).rows[-1].day == day(2)


def test_a_refused_training_and_a_failed_parity_need_a_person(run: Run) -> None:
    fill(run)
    record(
        run,
        "train",
        11,
        "refused",
        verdict={"reasons": ["champion: average precision is 0.1 lower"]},
    )
    record(run, "parity", 8, "refused", reason="3 rows differ")
    now = standing(run)
    attention = dict(now.attention)
    assert (
        attention[day(11)]
        == "the newest training was refused, no release decides: the declared rule goes on: "
        "champion: average precision is 0.1 lower"
    )
    assert (day(8), "parity refused: 3 rows differ") in now.attention
    assert now.rows[-1].day == day(9), "a training is no day of the table"


def test_an_empty_ledger_is_no_error(run: Run, tmp_path: Path) -> None:
    now = standing(run)
    assert (now.rows, list(now.attention), dict(now.newest)) == ([], [], {})
    page = write_report(run, out=tmp_path / "report.html").read_text()
    assert "No stage has run yet" in page


class Page(HTMLParser):
    """What a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [
            value or ""
            for name, value in attrs
            if name == "src" or (tag == "link" and name == "href")
        ]


@pytest.mark.guarantee("injection", fault="`<script>` in what the ledger holds", seen="text")
def test_the_overview_is_self_contained_and_values_are_inert(run: Run, tmp_path: Path) -> None:
    fill(run)
    path = write_report(run, DayRange(day(0), day(9)), tmp_path / "deep" / "report.html")
    text = path.read_text()
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert page.sources == []
    assert "&lt;script&gt;" in text
    assert page.tags.count("tr") >= 11
    assert "default-src 'none'" in html.unescape(text)


def test_the_status_of_a_year_asks_the_ledger_as_often_as_that_of_a_day(run: Run) -> None:
    gate = {"passed": True, "failures": [{"check": "x" * 100, "severity": "warning"}] * 20}
    queries: list[int] = []
    for days in (1, 366):
        accounts = (
            ingest_account(rows_in=1, gate={"transactions": gate}),
            features_account(rows=1, gate=gate),
            score_account(rows=1, gate=gate),
            monitor_account(**monitored(), rows=1),
        )
        for account in accounts:
            every_day = [day(number) for number in range(days)]
            run.ledger.record_stages(dict.fromkeys(every_day, account), "done", run_id="r1", at=AT)
        with _statements() as seen:
            now = standing(run)
        queries.append(len(seen))
    assert len(now.rows) == 14
    assert queries[0] == queries[1] > 0


@contextmanager
def _statements() -> Iterator[list[str]]:
    """The statements that SQLAlchemy executes meanwhile."""
    seen: list[str] = []

    def before(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
