"""A warning of a gate is shown where a stage is run, in the standing and in its JSON: which check,
found, expected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipelines.accounts.account import Account
from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.cli.nights.run import print_result
from pipelines.nightly.result import StageResult
from pipelines.run import Run
from pipelines.status.status import standing
from pipelines.usecases.registry import load
from tests.accounts import account_of, ingest_account, monitor_account, score_account

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
DAYS = DayRange(date(2026, 11, 1), date(2026, 11, 4))

MIDNIGHTS = {
    "check": "ExpectColumnValuesToBeBetween",
    "column": "busiest_hour_share",
    "severity": "warning",
    "meaning": "most transactions fall into one hour: times are wrong",
    "expected": "values to be between (min_value 0, max_value 0.5)",
    "observed": "4 of 4 rows (100 %), such as 1.0",
}


def gate(suite: str, *failures: Mapping[str, Any]) -> dict[str, Any]:
    return {"suite": suite, "passed": True, "checks": 4, "failures": list(failures)}


def ingested(day: date) -> IngestAccount:
    failures = [MIDNIGHTS] if day != DAYS.last else []
    return ingest_account(
        rows_in=100,
        accepted=100,
        gate={
            "transactions": gate("transactions"),
            "transactions_by_day": gate("transactions_by_day", *failures),
        },
    )


@pytest.fixture
def run(settings: Settings) -> Run:
    run = Run(settings, load("fraud"), run_id="r1", clock=lambda: AT)
    for day in DAYS:
        run.ledger.record_stage(day, ingested(day), "done", run_id="r1", at=AT)
    return run


def test_run_prints_each_warning_once_with_its_days(capsys: pytest.CaptureFixture[str]) -> None:
    accounts = {day: ingested(day) for day in DAYS}
    print_result(StageResult(stage="ingest", days=DAYS, accounts=accounts))
    printed = capsys.readouterr().out
    warnings = [line for line in printed.splitlines() if line.startswith("gate warning")]
    assert warnings == [
        "gate warning: transactions_by_day, busiest_hour_share (ExpectColumnValuesToBeBetween) on"
        " 2026-11-01..2026-11-03: expected values to be between (min_value 0, max_value 0.5); found"
        " 4 of 4 rows (100 %), such as 1.0 (most transactions fall into one hour: times are wrong)"
    ]


@pytest.mark.parametrize("stage", ["features", "score"])
def test_stages_with_one_suite_print_theirs_too(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = {**MIDNIGHTS, "column": "amount", "severity": "info"}
    accounts = {DAYS.first: account_of(stage, {"rows": 3, "gate": gate(stage, failure)})}
    print_result(StageResult(stage=stage, days=DayRange.single(DAYS.first), accounts=accounts))
    assert f"gate info: {stage}, amount" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (
            score_account(rows=1, fallback=True, fallback_reason="no model"),
            "the rule scored, not a model: no model",
        ),
        (
            monitor_account(
                rows=1,
                diagnosis={
                    "severity": "ticket",
                    "summary": "labels are missing",
                    "runbook": "r.md",
                },
            ),
            "watch: labels are missing (r.md)",
        ),
        (
            monitor_account(rows=1, drift={"detected": True, "summary": "amount moved"}),
            "drift: amount moved",
        ),
    ],
)
def test_run_prints_what_a_person_should_know_of_a_day(
    account: Account, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    days = DayRange.single(DAYS.first)
    print_result(StageResult(stage=account.STAGE, days=days, accounts={DAYS.first: account}))
    assert f"{DAYS.first}: {words}" in capsys.readouterr().out


def test_without_a_warning_nothing_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    accounts = {DAYS.last: ingested(DAYS.last)}
    print_result(StageResult(stage="ingest", days=DayRange.single(DAYS.last), accounts=accounts))
    assert "gate" not in capsys.readouterr().out


def test_status_names_the_check_and_the_days(run: Run) -> None:
    now = standing(run)
    warnings = [(day, what) for day, what in now.attention if "warning" in what]
    assert len(warnings) == 1
    day, what = warnings[0]
    assert day == DAYS.last - timedelta(days=1)
    assert what.startswith("ingest warning: transactions_by_day, busiest_hour_share")
    assert "2026-11-01..2026-11-03" in what
    assert "found 4 of 4 rows" in what
    assert now.rows[-1].gates["ingest"] == "passed"


def test_the_json_of_status_holds_them_by_day(run: Run) -> None:
    document = json.loads(json.dumps(standing(run).to_json()))
    warnings = [row["warnings"] for row in document["days"]]
    assert [len(of_day) for of_day in warnings] == [1, 1, 1, 0]
    assert warnings[0][0]["column"] == "busiest_hour_share"
    assert warnings[0][0]["suite"] == "transactions_by_day"
