"""Incidents of the watch, of failed and late stages: one for each cause, told to who is to know,
closed when gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from pipelines.accounts.incident import IncidentDetail
from pipelines.airflow.names import CHAIN
from pipelines.alerting.incidents import deliver, report, settle
from pipelines.base.errors import (
    GateError,
    NotArrivedError,
    StoreError,
    TollgateError,
    TooEarlyError,
)
from pipelines.lake.errors import spark_said
from pipelines.ledger.incidents import Severity
from pipelines.ledger.ledger import Incident, NewIncident
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis
from pipelines.nightly.monitor.stores import watch_stores
from pipelines.run import Run
from pipelines.status.deadlines import Late, timeliness

WATCHED = ("feed", "bug", "harmful", "concept")
"""Causes of a diagnosis that open an incident; notes do not."""
LATE = "late"
LATE_TOLD = 10
"""Late stages that the evidence lists, the oldest first."""
_SLIP = "UsageError"
FALLBACK_RUNBOOK = "docs/runbooks/task-failed.md"


def follow(run: Run, diagnosis: Diagnosis, answers: Sequence[str] = ()) -> None:
    """Let the incidents follow a day's diagnosis: one for its cause, and those whose signal is gone
    are resolved.

    `answers` are what was done about the day, in sentences.

    A cause that goes on for `escalate_days` becomes a page. A day that cannot be judged resolves
    nothing, nor does one from before an incident's newest day (a back-fill).
    """
    if diagnosis.severity in ("ticket", "page") and diagnosis.cause in WATCHED:
        report(run, _of_diagnosis(run, diagnosis, answers))
    if diagnosis.cause != "unjudged":
        for incident in _open(run, {diagnosis.cause}):
            last = incident.detail.last
            if (
                incident.kind in WATCHED
                and incident.detail.by == "watch"
                and (last is None or last < diagnosis.day)
            ):
                settle(run, incident, f"the signal is gone on {diagnosis.day}: {diagnosis.title}")
    deliver(run)


def stage_failed(run: Run, stage: str, day: date | None, error: BaseException | None) -> None:
    """An incident for a stage that failed for good; tasks that fail by the same cause share one.

    A home that is too young for the stage (`TooEarlyError`) opens none: `status` says so.
    """
    if isinstance(error, TooEarlyError):
        return
    kind, subject = _cause(run, stage, error)
    fields = error.fields() if isinstance(error, TollgateError) else {}
    foreign = (
        f"{type(error).__name__}: {spark_said(error) or error}" if error else "ended from outside"
    )
    what = fields.get("what") or foreign
    detail = IncidentDetail(
        by="stage",
        first_day=day,
        days=(day,) if day else (),
        sources=(stage,),
        consequence=f"what follows {stage} is held back" + (f" for {day}" if day else ""),
        evidence=tuple(
            f"{label}: {fields[label]}"
            for label in ("where", "expected", "found")
            if label in fields
        ),
        next_step=fields.get(
            "next step", f"tollgate backfill --from {day} --to {day}" if day else ""
        ),
        runbook=fields.get("runbook", FALLBACK_RUNBOOK),
    )
    summary = what.splitlines()[0]
    report(
        run,
        NewIncident(
            kind=kind, subject=subject, severity="critical", summary=summary, detail=detail
        ),
    )
    deliver(run)


def stage_done(run: Run, stage: str, day: date | None) -> None:
    """Take the day off the incidents that this stage's failure opened, and resolve those that have
    no day left.

    An incident that names no day is resolved by the stage's next success, whichever day that is
    for. `day` is None for a stage that has no days.
    """
    for incident in _open(run):
        days = incident.detail.days
        if incident.detail.by != "stage" or stage not in incident.detail.sources:
            continue
        if days and day not in days:
            continue
        left = [other for other in days if other != day and not _done(run, stage, other)]
        if not left:
            settle(run, incident, f"{stage} of {day} is done" if day else f"{stage} is done")
    deliver(run)


def follow_deadlines(run: Run) -> tuple[Late, ...]:
    """One incident for all that is late and has no incident of its own; closed when nothing is.

    Returns what is late.

    The stores are looked at on the way (`watch_stores`).

    Days that a failed stage's incident names are left to that one: the cause is known, and told.
    """
    from pipelines.airflow.chain_state import airflow_look

    _settle_slips(run)
    look = airflow_look(run.settings, run.use_case.name)
    late, opened = timeliness(run, look=look).late, _open(run)
    named = [incident.detail.days for incident in opened if incident.detail.by == "stage"]
    unknown = [
        late_stage for late_stage in late if not any(late_stage.day in days for days in named)
    ]
    if unknown:
        report(run, _of_lateness(run, unknown))
    for incident in opened:
        if incident.kind == LATE and not unknown:
            settle(
                run,
                incident,
                "the cause has an incident of its own" if late else "nothing is late any more",
            )
    watch_stores(run)
    deliver(run)
    return late


def _settle_slips(run: Run) -> None:
    """Close what earlier versions opened for runs that were started by hand without a day: nobody
    can do anything.
    """
    for incident in _open(run):
        if (
            incident.detail.by == "stage"
            and not incident.detail.days
            and incident.subject.endswith(f": {_SLIP}")
        ):
            settle(
                run, incident, "a run that was started by hand without a day: nothing is missing"
            )


def _of_diagnosis(run: Run, diagnosis: Diagnosis, answers: Sequence[str]) -> NewIncident:
    subject = _subject(run, diagnosis)
    earlier = next(
        (
            incident
            for incident in _open(run)
            if (incident.kind, incident.subject) == (diagnosis.cause, subject)
        ),
        None,
    )
    days = {*(earlier.detail.days if earlier else ()), diagnosis.day}
    lasting = len(days) >= run.use_case.watch.escalate_days
    severity: Severity = "critical" if diagnosis.severity == "page" or lasting else "warning"
    detail = IncidentDetail(
        by="watch",
        first_day=diagnosis.day,
        cause=diagnosis.cause,
        days=(diagnosis.day,),
        sources=("monitor",),
        consequence=diagnosis.consequence,
        evidence=tuple(signal.told for signal in diagnosis.evidence),
        next_step=diagnosis.next_step,
        runbook=diagnosis.runbook,
        page=f"reports/{diagnosis.day}.html",
    )
    if answers:
        detail = detail.replaced(done=tuple(answers))
    return NewIncident(
        kind=diagnosis.cause,
        subject=subject,
        severity=severity,
        summary=diagnosis.describe(),
        detail=detail,
    )


def _of_lateness(run: Run, late: Sequence[Late]) -> NewIncident:
    paged = [
        late_stage
        for late_stage in late
        if late_stage.stage in run.use_case.schedule.paged and not late_stage.early
    ]
    days = sorted({late_stage.day for late_stage in late})
    first = _first_left_out(run, days[0])
    stages = ", ".join(dict.fromkeys(late_stage.stage for late_stage in late))
    detail = IncidentDetail(
        by="deadline",
        first_day=days[0],
        days=tuple(days),
        sources=tuple(sorted({late_stage.stage for late_stage in late})),
        consequence=f"what {stages} makes of these days is not there",
        evidence=tuple(late_stage.told for late_stage in late[:LATE_TOLD]),
        next_step=(
            f"tollgate status; if nothing runs: tollgate backfill --from {first} --to {days[-1]}"
        ),
        runbook="docs/runbooks/late.md",
    )
    return NewIncident(
        kind=LATE,
        subject=run.use_case.name,
        severity="critical" if paged else "warning",
        summary=(paged or late)[0].told,
        detail=detail,
        # Days that were caught up with meanwhile, or that a clock ahead had called late, are late
        # no more.
        whole_truth=True,
    )


def _first_left_out(run: Run, late: date) -> date:
    """The first of the days without a gap before `late` that were left out; those long ago have no
    deadline any more.

    After a month off, a backfill of the late days alone would wait for the days before them.
    """
    ingest = CHAIN[0]
    heads = run.ledger.stage_heads()
    ingested = {
        day for (stage, day), head in heads.items() if stage == ingest and head.status == "done"
    }
    earlier = [day for day in ingested if day < late]
    if late in ingested or not earlier:
        return late
    return max(earlier) + timedelta(days=1)


def _subject(run: Run, diagnosis: Diagnosis) -> str:
    """What is broken: a feed by its name, else the use case as a whole."""
    if diagnosis.cause != "feed":
        return run.use_case.name
    return (
        run.use_case.labels.name
        if diagnosis.evidence and diagnosis.evidence[0].name == "labels"
        else run.use_case.events.name
    )


def _cause(run: Run, stage: str, error: BaseException | None) -> tuple[str, str]:
    """Kind and subject under which failures of one cause meet."""
    if isinstance(error, NotArrivedError):
        return "feed", error.feed or run.use_case.events.name
    if isinstance(error, GateError):
        return "gate", stage
    if isinstance(error, StoreError):
        return "store", (error.where or error.what)[:250]
    return "task", f"{stage}: {type(error).__name__ if error else 'ended'}"


def _open(run: Run, but: set[Any] | None = None) -> list[Incident]:
    return [
        incident
        for incident in run.ledger.incidents(open_only=True)
        if incident.kind not in (but or ())
    ]


def _done(run: Run, stage: str, day: date) -> bool:
    records = run.ledger.latest(stage, first=day, last=day)
    return day in records and records[day].status == "done"
