"""Are the days of events there to build on? Ingested, not refused, and without a gap before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from pipelines.accounts.ingest import IngestAccount
from pipelines.platform.days import DayRange, grouped
from pipelines.platform.errors import GateError, TransientError
from pipelines.platform.ledger import StageRecord
from pipelines.run import Run

INGEST = IngestAccount.STAGE
HELD_BACK = ("features", "online state", "predictions", "alerts")
RUNBOOK = "docs/runbooks/features-waiting.md"


def require_ingested(run: Run, days: DayRange) -> None:
    """Every one of `days` is ingested; an empty day is, too.

    Raises `TransientError` that names the days that are not, `GateError` for days whose newest files were refused.
    """
    settled = _settled(run, days)
    if missing := [day for day in days if day not in settled]:
        raise TransientError(
            "days are not ingested yet",
            where=run.use_case.events.name,
            day=_named(missing),
            expected=f"every day of {days} ingested",
            found=f"{len(missing)} of {len(days)} not there",
            held_back=HELD_BACK,
            next_step=f"tollgate run {INGEST} --from {missing[0]} --to {missing[-1]}, then run this again",
            runbook=RUNBOOK,
        )
    if refused := [day for day in days if settled[day].status == "refused"]:
        raise GateError(
            "the day's events were refused, so no features are built on them",
            where=run.use_case.events.name,
            day=_named(refused),
            expected="events that passed their gate",
            found=f"refused in run {settled[refused[0]].run_id}: {settled[refused[0]].account.reason}",
            held_back=HELD_BACK,
            next_step="put right what the reason names (files, mapping or rule), then "
            f"tollgate run {INGEST} --from {refused[0]} --to {refused[-1]}",
            runbook=RUNBOOK,
        )


def require_no_gap(run: Run, first: date) -> None:
    """The day before `first` is ingested where any day within the features' reach is; raises `TransientError`.

    So days that arrive out of order wait for one another, and the tables come out as if they had come in order.
    """
    eve = first - timedelta(days=1)
    reach = DayRange(first - timedelta(days=max(run.use_case.stored_features.reach_days, 1)), eve)
    before = run.ledger.latest(IngestAccount, first=reach.first, last=reach.last, status="done")
    if before and eve not in before:
        raise TransientError(
            "the day before is not ingested, and the windows would miss its events",
            where=run.use_case.events.name,
            day=str(first),
            expected=f"{eve} ingested",
            found=f"{max(before)} is the last day before {first} that is",
            held_back=HELD_BACK,
            next_step=f"tollgate run {INGEST} --from {eve} --to {eve}; if it never comes, run this with --allow-gap",
            runbook=RUNBOOK,
        )


def _settled(run: Run, days: DayRange) -> Mapping[date, StageRecord[IngestAccount]]:
    """The newest record of each day that either let it in or refused it."""
    records = run.ledger.stage_records(IngestAccount, first=days.first, last=days.last)
    return {record.day: record for record in records if record.status in {"done", "refused"}}


def _named(days: Iterable[date]) -> str:
    return ", ".join(map(str, grouped(list(days))))
