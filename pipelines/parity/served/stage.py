"""The stage `served`: a day's answers, as they were really given, against what the batch says of
the same events.

`pipelines.parity.stage` proves the code on a replay; this looks at what callers got: store,
journal, order and all.
"""

from __future__ import annotations

import time
from datetime import date, timedelta

import numpy as np

from features.instants import day_number, microseconds_of
from features.timeline import Ints
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.materialize import MaterializeAccount
from pipelines.accounts.served import ServedAccount
from pipelines.alerting.incidents import deliver, report, settle
from pipelines.base.days import DayRange
from pipelines.ledger.incidents import Severity
from pipelines.ledger.ledger import NewIncident
from pipelines.nightly.result import StageResult
from pipelines.parity.served.causes import causes
from pipelines.parity.served.codes import CAUSES, UNEXPLAINED
from pipelines.parity.served.differences import Differences, differences
from pipelines.parity.served.figures import beyond_policy, figures_of, unexplained_by_feature
from pipelines.parity.served.predictions import Answered, read_answered
from pipelines.parity.served.stored import Stored, read_history, read_reports, read_stored
from pipelines.parity.served.windows import Known
from pipelines.prediction_log.files import answers_folder
from pipelines.prediction_log.files import settle as settle_answers
from pipelines.prediction_log.writer import SALT
from pipelines.releases.canary import in_canary
from pipelines.run import Run

STAGE, KIND = ServedAccount.STAGE, "served parity"
RUNBOOK = "docs/runbooks/served-parity.md"
TAKEN_OVER = timedelta(minutes=5)
"""How long after a night's states are complete every scorer may still answer from those of the
night before.
"""


def served_parity(run: Run, days: DayRange) -> StageResult[ServedAccount]:
    """Compare the answers to the events of each of `days` with the batch, bit by bit; accounts: see
    `ServedAccount`.

    A day beyond the use case's serving policy is recorded as `refused` and opens an incident;
    nothing is held back by it but the next release. A day without answers or features is passed
    over, and not recorded.
    """
    accounts: dict[date, ServedAccount] = {}
    settle_answers(answers_folder(run.settings.home, run.use_case.name))
    for day in days:
        served = served_day(run, day)
        accounts[day] = ServedAccount(passed_over=served) if isinstance(served, str) else served
    return StageResult(stage=STAGE, days=days, accounts=accounts)


def served_day(run: Run, day: date) -> ServedAccount | str:
    """One day, recorded in the ledger; in words why there is nothing to compare."""
    began = time.monotonic()
    built = run.ledger.latest(FeaturesAccount, first=day, last=day, status="done")
    if not built or not built[day].account.rows:
        return "no features of this day"
    answered = read_answered(run, day)
    if answered is None:
        return "nothing was served on this day"
    stored = read_stored(run, day)
    differing = differences(answered, stored)
    facts = _known(run, day, differing)
    coded = causes(differing, run.use_case.stored_features, facts)
    silent = _not_answered(run, answered, stored)
    result = figures_of(
        day, differing, coded, not_answered=silent, seconds=time.monotonic() - began
    )
    _record(run, day, result)
    return result


def _known(run: Run, day: date, differing: Differences) -> Known:
    night = _nights(run, day, differing)
    oldest = int(night.min(initial=day_number(day) - 1))
    return Known(
        history=read_history(run, day, oldest),
        night=night,
        reports=lambda: read_reports(run, day, oldest),
    )


def _nights(run: Run, day: date, differing: Differences) -> Ints:
    """For each compared event the number of the last day whose end the states stood on when it was
    answered.
    """
    before = day_number(day) - 1
    done = [
        record for record in run.ledger.stage_records(MaterializeAccount) if record.status == "done"
    ]
    marks = [(record.recorded_at, record.account.watermark) for record in done]
    whole = [(at, mark) for at, mark in marks if mark is not None]
    begun = np.array([microseconds_of(at + TAKEN_OVER) for at, _ in whole], dtype=np.int64)
    ends = [day_number(mark) for _, mark in whole]
    nights = np.array([before - run.use_case.stored_features.reach_days, *ends], dtype=np.int64)
    places = np.searchsorted(begun, differing.answered.stamp[differing.rank], side="right")
    night_of_row: Ints = np.minimum(nights[places], before)
    return night_of_row


def _not_answered(run: Run, answered: Answered, stored: Stored) -> int:
    """Events of the lake that nobody asked about, of the units whose answers are logged."""
    silent = ~np.isin(stored.id, answered.id[answered.today])
    share, unit = run.use_case.serving.logged_share, run.use_case.review.unit
    if share < 1:
        entity = next(
            entity.name
            for entity in run.use_case.stored_features.schema.entities
            if entity.key == unit
        )
        silent &= in_canary(stored.keys[entity], SALT, share)
    return int(silent.sum())


def _record(run: Run, day: date, result: ServedAccount) -> None:
    """Into the ledger; an incident where the day is beyond the policy, and its end where a day is
    not.
    """
    reason = beyond_policy(result, run.use_case.serving)
    account = result.replaced(reason=reason) if reason else result
    status = "refused" if reason else "done"
    run.ledger.record_stage(day, account, status, run_id=run.run_id, at=run.clock())
    if reason:
        report(run, _incident(run, day, result, reason))
    else:
        for incident in run.ledger.incidents(open_only=True):
            if incident.kind == KIND and (
                incident.detail.last is None or incident.detail.last <= day
            ):
                settle(run, incident, f"the answers of {result.day} are within the policy")
    deliver(run)


def _incident(run: Run, day: date, result: ServedAccount, reason: str) -> NewIncident:
    """A page where values differ for no known cause, else a ticket.

    It names no event: incidents are kept for good.
    """
    named = unexplained_by_feature(result)
    shown = [
        f"{cause}: {count:,} of {result.compared:,} answers"
        for cause, count in result.causes.items()
    ]
    for name in [*named, *(name for name in result.examples if name not in named)][:3]:
        example = result.examples[name][0]
        values = f"batch {example.batch!r}, answered {example.online!r}"
        shown.append(f"{name}, for instance: {values} ({example.cause})")
    detail = IncidentDetail(
        by=STAGE,
        first_day=day,
        cause=(
            CAUSES[UNEXPLAINED]
            if named
            else max(result.causes, key=lambda cause: result.causes[cause])
        ),
        days=(day,),
        sources=(STAGE,),
        consequence=(
            "answers were given on other features than the model's; the next release is refused"
        ),
        evidence=tuple(shown),
        next_step=f"tollgate parity --served --day {day}",
        runbook=RUNBOOK,
    )
    severity: Severity = (
        "critical"
        if result.unexplained_share > run.use_case.serving.unexplained_share
        else "warning"
    )
    return NewIncident(
        kind=KIND,
        subject=run.use_case.name,
        severity=severity,
        summary=f"{result.day}: {reason}",
        detail=detail,
    )
