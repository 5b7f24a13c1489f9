"""Incidents and notices on a real ledger and real receivers: HTTP and SMTP servers on this
machine.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from pipelines.alerting.incidents import deliver
from pipelines.base.errors import (
    GateError,
    NotArrivedError,
    PermanentError,
    StoreError,
    TooEarlyError,
    UsageError,
)
from pipelines.base.settings import Settings
from pipelines.cli.main import build_app
from pipelines.nightly.monitor.diagnosis.causes import Cause, Severity
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis
from pipelines.nightly.monitor.incidents import follow, follow_deadlines, stage_done, stage_failed
from pipelines.nightly.monitor.signals import Signal
from pipelines.run import Run
from pipelines.status.status import standing
from pipelines.training.candidate import training_split
from pipelines.usecases.policies.first_training import first_training, too_early
from pipelines.usecases.registry import load
from tests.accounts import ingest_account
from tests.pipelines.receivers import mailbox, receiving

DAY = date(2026, 11, 2)
AT = datetime(2026, 11, 3, 2, tzinfo=UTC)
FEED = Signal(
    area="feed", name="volume", value=0.4, limit=0.9, told="4,000 rows where <b>9,600</b> are usual"
)


@pytest.fixture
def at(settings: Settings) -> Callable[..., Run]:
    """A run at a moment, with the notifiers that are given."""

    def made(moment: datetime = AT, **notify: str) -> Run:
        given = Settings.build(**{**settings.model_dump(exclude_none=True), **notify})
        return Run(given, load("fraud"), run_id="test", actor="test", clock=lambda: moment)

    return made


def found(day: date, cause: Cause, severity: Severity, *evidence: Signal) -> Diagnosis:
    return Diagnosis(
        day=day,
        cause=cause,
        severity=severity,
        subject_day=day,
        evidence=evidence,
        next_step="type this",
    )


def test_one_cause_is_one_incident_that_escalates_and_resolves_by_itself(
    at: Callable[..., Run],
) -> None:
    with receiving() as hook:
        run = at(notify_webhook=hook.address)
        for number in range(3):
            follow(run, found(DAY + timedelta(days=number), "feed", "ticket", FEED))
        (incident,) = run.ledger.incidents()
        assert (incident.kind, incident.subject, incident.severity) == (
            "feed",
            "transactions",
            "critical",
        ), "three days: a page"
        assert [str(day) for day in incident.detail.days] == [
            "2026-11-02",
            "2026-11-03",
            "2026-11-04",
        ]
        follow(run, found(DAY + timedelta(days=2), "feed", "ticket", FEED))
        follow(run, found(DAY + timedelta(days=3), "unjudged", "note"))
        follow(run, found(DAY + timedelta(days=1), "well", "none"))
        assert run.ledger.incidents(open_only=True), (
            "neither an unjudged day nor an older one resolves it"
        )
        follow(run, found(DAY + timedelta(days=4), "well", "none"))
        assert not run.ledger.incidents(open_only=True)
        assert [body["event"] for body in hook.bodies] == ["opened", "escalated", "resolved"]
        assert "signal is gone on 2026-11-06" in hook.bodies[-1]["resolution"]
        follow(run, found(DAY + timedelta(days=9), "feed", "ticket", FEED))
        assert len(run.ledger.incidents()) == 2, "gone and back is another incident"


def test_notes_open_nothing(at: Callable[..., Run]) -> None:
    follow(at(), found(DAY, "inputs", "note", FEED))
    assert at().ledger.incidents() == []


def test_failures_of_one_cause_share_an_incident_until_their_days_are_done(
    at: Callable[..., Run],
) -> None:
    run = at()
    days = [DAY, DAY + timedelta(days=1)]
    for day in days:
        stage_failed(
            run,
            "ingest",
            day,
            NotArrivedError("the day of transactions has not arrived", where="landing"),
        )
    down = StoreError("the ledger does not answer", where="postgres")
    for stage in ("features", "score"):
        stage_failed(run, stage, DAY, down)
    stage_failed(
        run, "score", DAY, GateError("refused", next_step="mend it", runbook="docs/runbooks/x")
    )
    opened = {(incident.kind, incident.subject): incident for incident in run.ledger.incidents()}
    assert set(opened) == {("feed", "transactions"), ("store", "postgres"), ("gate", "score")}
    assert opened["feed", "transactions"].detail.days == tuple(days)
    assert opened["store", "postgres"].detail.sources == ("features", "score")
    assert opened["gate", "score"].detail.next_step == "mend it"
    for day in days:
        assert ("feed", "transactions") in {
            (i.kind, i.subject) for i in run.ledger.incidents(open_only=True)
        }
        run.ledger.record_stage(day, ingest_account(), "done", run_id="r", at=AT)
        stage_done(run, "ingest", day)
    assert ("feed", "transactions") not in {
        (i.kind, i.subject) for i in run.ledger.incidents(open_only=True)
    }


def test_every_channel_gets_the_whole_story(at: Callable[..., Run]) -> None:
    with receiving() as hook, mailbox() as mail:
        run = at(
            notify_webhook=hook.address,
            notify_slack=hook.address,
            notify_pagerduty="key",
            notify_pagerduty_url=hook.address,
            notify_email="a@example.org, b@example.org",
            notify_smtp=mail.address,
            notify_link="https://ops.example.org/",
        )
        follow(run, found(DAY, "bug", "page", replace(FEED, area="features")))
        follow(run, found(DAY + timedelta(days=1), "well", "none"))
        json_body, slack, pager = hook.bodies[:3]
        assert run.ledger.waiting_messages() == []
    for wanted in ("what", "since", "consequence", "evidence", "next_step", "runbook", "link"):
        assert json_body[wanted], wanted
    assert "&lt;b&gt;9,600" in slack["text"]
    assert "<b>" not in slack["text"]
    assert set(slack) == {"text"}
    assert (pager["event_action"], pager["payload"]["severity"]) == ("trigger", "critical")
    assert hook.bodies[-1]["event_action"] == "resolve"
    assert hook.bodies[-1]["dedup_key"] == pager["dedup_key"]
    assert "next: type this" in mail.bodies[0]
    assert "To: a@example.org, b@example.org" in mail.bodies[0]


def test_what_names_no_day_is_closed_by_the_next_success_or_as_the_slip_that_it_was(
    at: Callable[..., Run],
) -> None:
    run = at()
    stage_failed(run, "ingest", None, StoreError("the ledger does not answer"))
    stage_done(run, "features", DAY)
    assert len(run.ledger.incidents(open_only=True)) == 1
    stage_done(run, "ingest", DAY)
    assert run.ledger.incidents(open_only=True) == []
    stage_failed(run, "deadlines", None, StoreError("the ledger does not answer"))
    stage_done(run, "deadlines", None)
    assert run.ledger.incidents(open_only=True) == []
    stage_failed(run, "train", None, UsageError("this run has no partition"))
    follow_deadlines(run)
    assert run.ledger.incidents(open_only=True) == []


def test_a_ticket_does_not_page(at: Callable[..., Run]) -> None:
    with receiving() as hook:
        follow(
            at(notify_pagerduty="key", notify_pagerduty_url=hook.address),
            found(DAY, "feed", "ticket", FEED),
        )
        assert hook.bodies == []


def test_a_receiver_that_is_down_is_tried_again_shown_and_nothing_is_lost(
    at: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as hook:
        hook.status = 503
        run = at(notify_webhook=hook.address)
        follow(run, found(DAY, "bug", "page", FEED))
        (message,) = run.ledger.waiting_messages()
        assert (message.attempts, message.last_error) == (1, "HTTP 503 Service Unavailable")
        assert deliver(run) == 0, "not before its time"
        assert run.ledger.waiting_messages()[0].attempts == 1
        assert any("1 notices wait for webhook" in what for _, what in standing(run).attention)
        for name, value in run.settings.environment().items():
            monkeypatch.setenv(name, value)
        shown = CliRunner().invoke(build_app(), ["oncall"])
        assert "waits for webhook (1 attempts, HTTP 503 Service Unavailable)" in " ".join(
            shown.output.split()
        )
        assert "secret" not in shown.output
        hook.status = 200
        assert deliver(at(AT + timedelta(minutes=2), notify_webhook=hook.address)) == 1
        assert run.ledger.waiting_messages() == []
        assert [body["event"] for body in hook.bodies] == ["opened"]


def test_a_message_is_tried_again_though_the_clock_went_back(at: Callable[..., Run]) -> None:
    """Tried while the clock was a day ahead, it must not wait for that day to come."""
    with receiving() as hook:
        hook.status = 503
        follow(
            at(AT + timedelta(days=1), notify_webhook=hook.address), found(DAY, "bug", "page", FEED)
        )
        hook.status = 200
        assert deliver(at(AT, notify_webhook=hook.address)) == 1
        assert [body["event"] for body in hook.bodies] == ["opened"]


def test_a_person_closes_an_incident_with_a_reason(
    at: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = at()
    follow(run, found(DAY, "bug", "page", FEED))
    number = str(run.ledger.incidents()[0].incident_id)
    for name, value in run.settings.environment().items():
        monkeypatch.setenv(name, value)
    for wrong, message in (
        (["--resolve", "77", "--reason", "x"], "no open incident has this number"),
        (["--resolve", number], "an incident is closed with a reason"),
    ):
        refused = CliRunner().invoke(build_app(), ["oncall", *wrong])
        assert isinstance(refused.exception, UsageError)
        assert message in str(refused.exception)
        assert run.ledger.incidents(open_only=True)
    done = CliRunner().invoke(build_app(), ["oncall", "--resolve", number, "--reason", "looked at"])
    assert "no open incident" in done.output
    closed = run.ledger.incidents()[0]
    assert (closed.resolution, closed.resolved_by) == (
        "looked at",
        pwd.getpwuid(os.getuid()).pw_name,
    )


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/", "no address at all", "ftp://x"])
def test_a_wrong_address_never_fails_the_stage(at: Callable[..., Run], address: str) -> None:
    run = at(notify_webhook=address)
    follow(run, found(DAY, "bug", "page", FEED))
    assert run.ledger.waiting_messages()[0].last_error


def test_a_home_that_is_too_young_to_train_calls_nobody_and_status_says_from_when_on(
    at: Callable[..., Run],
) -> None:
    run, first = at(), DAY - timedelta(days=3)
    assert not any("too young" in what for _, what in standing(run).attention)
    for day in (first, DAY):
        run.ledger.record_stage(day, ingest_account(), "done", run_id="test", at=AT)
    stage_failed(run, "train", DAY, TooEarlyError("there is nothing to train on yet"))
    assert run.ledger.incidents() == []
    possible = first_training(run.use_case, first)
    attention = [what for _, what in standing(run).attention if "too young" in what]
    assert len(attention) == 1
    assert str(possible) in attention[0]
    for day in (possible - timedelta(days=1), possible):
        run.ledger.record_stage(day, ingest_account(), "done", run_id="test", at=AT)
    late = at(AT + (possible - DAY))
    assert not any("too young" in what for _, what in standing(late).attention)
    stage_failed(late, "train", possible, PermanentError("there are not enough days to train"))
    assert [incident.severity for incident in late.ledger.incidents()] == ["critical"]


def test_the_first_training_is_the_first_whose_split_lies_in_the_home() -> None:
    """By the split itself: test days and half of the days to learn from are there then, and not the
    day before.
    """
    use_case = load("fraud")
    possible = first_training(use_case, DAY)

    def fits(as_of: date) -> bool:
        split = training_split(use_case, as_of)
        history = list(split.history(use_case.model.history_days))
        return split.test.first >= DAY and 2 * sum(day >= DAY for day in history) >= len(history)

    assert fits(possible)
    assert not fits(possible - timedelta(days=1))
    assert too_early(use_case, possible - timedelta(days=1), DAY)
    assert not too_early(use_case, possible, DAY)
    assert too_early(use_case, possible, None)
