"""Are the days of events there to build on?

Ingested, not refused, and without a gap before them.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange, in_words
from pipelines.base.errors import GateError, TransientError
from pipelines.nightly.upstream import settled_days
from pipelines.run import Run

INGEST = IngestAccount.STAGE
HELD_BACK = ("features", "online state", "predictions", "alerts")
RUNBOOK = "docs/runbooks/features-waiting.md"


def require_ingested(run: Run, days: DayRange) -> None:
    """Every one of `days` is ingested; an empty day is, too.

    Raises `TransientError` that names the days that are not, `GateError` for days whose newest
    files were refused.
    """
    standing = settled_days(run, IngestAccount, days.first, days.last)
    refused = standing.refused(days)
    missing = [day for day in standing.lacking(days) if day not in refused]
    if missing:
        raise TransientError(
            "days are not ingested yet",
            where=run.use_case.events.name,
            day=in_words(missing),
            expected=f"every day of {days} ingested",
            found=f"{len(missing)} of {len(days)} not there",
            held_back=HELD_BACK,
            next_step=(
                f"tollgate run {INGEST} --from {missing[0]} --to {missing[-1]}, then run this again"
            ),
            runbook=RUNBOOK,
        )
    if refused:
        record = standing.newest[refused[0]]
        raise GateError(
            "the day's events were refused, so no features are built on them",
            where=run.use_case.events.name,
            day=in_words(refused),
            expected="events that passed their gate",
            found=f"refused in run {record.run_id}: {record.account.reason}",
            held_back=HELD_BACK,
            next_step=(
                "put right what the reason names (files, mapping or rule), then "
                f"tollgate run {INGEST} --from {refused[0]} --to {refused[-1]}"
            ),
            runbook=RUNBOOK,
        )


def require_no_gap(run: Run, first: date) -> None:
    """The day before `first` is ingested where any day within the features' reach is; raises
    `TransientError`.

    So days that arrive out of order wait for one another, and the tables come out as if they had
    come in order.
    """
    eve = first - timedelta(days=1)
    reach = DayRange(first - timedelta(days=max(run.use_case.stored_features.reach_days, 1)), eve)
    before = settled_days(run, IngestAccount, reach.first, reach.last).accepted
    if before and eve not in before:
        raise TransientError(
            "the day before is not ingested, and the windows would miss its events",
            where=run.use_case.events.name,
            day=str(first),
            expected=f"{eve} ingested",
            found=f"{max(before)} is the last day before {first} that is",
            held_back=HELD_BACK,
            next_step=(
                f"tollgate run {INGEST} --from {eve} --to {eve}; if it never comes, run this with"
                " --allow-gap"
            ),
            runbook=RUNBOOK,
        )
