"""Late reports are counted: in words, from a training frame as a check of the gate, and in the
standing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pipelines.accounts.features import ReportDelays
from pipelines.base.settings import Settings
from pipelines.cli.nights.report import status
from pipelines.releases.verdict import Verdict
from pipelines.run import Run
from pipelines.status.status import standing
from pipelines.training.evidence.late_reports import reports_are_in_time
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.label_delays import LabelDelays
from tests.accounts import features_account
from tests.pipelines.training.training_frames import frame_of

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
FIRST = datetime(2026, 9, 1, tzinfo=UTC)


def frame(delays: list[timedelta | None]) -> pd.DataFrame:
    """An event every hour, each with its report after so long."""
    events: list[tuple[int, datetime, int, datetime | None]] = []
    for number, delay in enumerate(delays):
        at = FIRST + timedelta(hours=number)
        events.append((number, at, number % 9, None if delay is None else at + delay))
    return frame_of(events)


def days(number: float) -> timedelta:
    return timedelta(days=number)


def test_reports_at_the_very_end_of_the_delay_are_in_time() -> None:
    check = reports_are_in_time(frame([days(7)] * 60 + [None] * 500), USE_CASE, AT)
    assert check.outcome == "passed"
    assert check.figures["late_share"] == 0.0
    assert check.found == "0 of 60 reports (0 %) came later than label.delay_days (7)"


def test_a_considerable_share_of_late_reports_asks_for_a_person_and_says_how_late() -> None:
    late = [days(7) + timedelta(microseconds=1), days(10), days(12), days(30.5)]
    check = reports_are_in_time(frame([days(3)] * 60 + late * 5), USE_CASE, AT)
    assert (check.outcome, check.consequence) == ("failed", "ask")
    assert Verdict(checks=[check]).decision == "needs a person"
    assert "20 of 80 reports (25 %)" in check.found
    assert "7 to 10 days 10, 10 to 14 days 5, more than 30 days 5" in check.found
    assert "raise label.delay_days in pipelines/usecases/fraud.py" in check.found


def test_single_late_reports_pass_and_are_counted() -> None:
    check = reports_are_in_time(frame([days(5)] * 95 + [days(9)] * 5), USE_CASE, AT)
    assert check.outcome == "passed"
    assert check.figures["late_share"] == 0.05


@pytest.mark.parametrize(
    ("consequence", "outcome", "decision"),
    [
        ("warn", "passed", "approved"),
        ("ask", "failed", "needs a person"),
        ("refuse", "failed", "refused"),
    ],
)
def test_the_policy_says_what_follows(consequence: Any, outcome: str, decision: str) -> None:
    use_case = replace(USE_CASE, evidence=replace(USE_CASE.evidence, late_consequence=consequence))
    check = reports_are_in_time(frame([days(10)] * 80), use_case, AT)
    assert (check.outcome, Verdict(checks=[check]).decision) == (outcome, decision)
    assert check.found.startswith("warning: ") == (consequence == "warn")
    assert (use_case.policy_digest == USE_CASE.policy_digest) == (consequence == "ask"), (
        "which is the default"
    )


def test_reports_that_are_not_known_yet_do_not_count() -> None:
    check = reports_are_in_time(frame([days(3)] * 60 + [days(200)] * 60), USE_CASE, AT)
    assert check.outcome == "passed"
    assert check.figures["reports"] == 60


def test_few_reports_are_not_judged() -> None:
    assert reports_are_in_time(frame([days(20)] * 10), USE_CASE, AT).outcome == "not applicable"
    assert reports_are_in_time(frame([None] * 10), USE_CASE, AT).outcome == "not applicable"


def recorded(settings: Settings, by_day: dict[date, LabelDelays]) -> Run:
    run = Run(settings, USE_CASE, run_id="r1", clock=lambda: AT)
    for day, delays in by_day.items():
        account = features_account(rows=10, reports=delays.to_json())
        run.ledger.record_stage(day, account, "done", run_id="r1", at=AT)
    return run


def test_status_tells_the_share_by_delay(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    day = date(2026, 11, 1)
    made = {
        day + timedelta(days=number): LabelDelays.of(7, {0: 6, 1: 3, 4: 1}) for number in range(10)
    }
    run = recorded(settings, made)
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))

    now = standing(run)
    document = json.loads(json.dumps(now.to_json()))["reports"]
    assert (document["reported"], document["late"], document["late_share"]) == (100, 40, 0.4)
    assert document["by_delay"]["7 to 10 days"] == 30
    attention = [what for _, what in now.attention if "label.delay_days" in what]
    assert len(attention) == 1
    status()
    assert (
        "reports   40 of 100 reports (40 %) came later than label.delay_days (7)"
        in capsys.readouterr().out
    )


def test_reports_in_time_need_nobody(settings: Settings) -> None:
    run = recorded(settings, {date(2026, 11, 1): LabelDelays.of(7, {0: 100, 1: 10})})
    now = standing(run)
    assert now.reports is not None
    assert now.reports.late == 10
    assert not [what for _, what in now.attention if "label.delay_days" in what]


def test_reports_of_events_before_the_first_day_are_not_taken_for_late(settings: Settings) -> None:
    first = date(2026, 9, 1)
    reach = USE_CASE.stored_features.reach_days
    counted = LabelDelays.of(7, {0: 60}, unmatched=40)
    run = recorded(settings, {first: counted})
    assert standing(run).reports == counted
    later = first + timedelta(days=reach)
    run = recorded(settings, {later: counted})
    delays = standing(run).reports
    assert delays is not None
    assert (delays.reported, delays.late) == (160, 40)


def test_without_any_report_nothing_is_told(settings: Settings) -> None:
    run = Run(settings, USE_CASE, run_id="r1", clock=lambda: AT)
    assert standing(run).reports is None
    run.ledger.record_stage(date(2026, 11, 1), features_account(rows=1), "done", run_id="r1", at=AT)
    assert standing(run).reports is None


def test_counts_of_another_delay_are_left_out_of_the_sum() -> None:
    parts = [
        LabelDelays.of(7, {0: 1, 2: 2}),
        LabelDelays.of(10, {0: 5}),
        LabelDelays.of(7, {4: 3}, unmatched=1),
    ]
    total = LabelDelays.total(7, parts)
    assert (total.counts, total.unmatched) == ((1, 0, 2, 0, 3), 1)
    assert (
        LabelDelays.of_account(ReportDelays.from_json(json.loads(json.dumps(total.to_json()))))
        == total
    )


def test_the_policy_keeps_its_digest_while_nothing_is_declared_anew() -> None:
    evidence = USE_CASE.evidence
    assert (
        replace(USE_CASE, evidence=replace(evidence, late_share=0.1)).policy_digest
        == USE_CASE.policy_digest
    )
    assert (
        replace(USE_CASE, evidence=replace(evidence, late_share=0.2)).policy_digest
        != USE_CASE.policy_digest
    )
