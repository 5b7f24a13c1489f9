"""Do a day's predictions name the release that its account names?

If not, a scoring goes on or was cut off half-way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pipelines.accounts.score import ScoreAccount
from pipelines.base.days import DayRange
from pipelines.base.errors import TransientError
from pipelines.nightly.monitor.day_samples import DaySample
from pipelines.run import Run


def require_scored_as_recorded(run: Run, days: DayRange, samples: Mapping[date, DaySample]) -> None:
    """Raises `TransientError` for the first day whose predictions name a release that its account
    does not.

    The account names what decides, and the challenger, which decides for its share in canary.
    """
    records = run.ledger.latest(ScoreAccount, first=days.first, last=days.last, status="done")
    for day, sample in sorted(samples.items()):
        account = records[day].account if day in records else None
        if account is None or not account.release:
            continue
        challenger = account.comparison.challenger if account.comparison else None
        recorded = {account.release, challenger}
        strangers = [release for release in sample.deciders if release not in recorded]
        if strangers:
            raise TransientError(
                "the day's predictions are not those of its account: a scoring goes on, or was"
                " stopped half-way",
                where=run.lake.path("predictions"),
                day=str(day),
                expected=(
                    f"rows decided by {account.release}, as run {records[day].run_id} recorded"
                ),
                found=f"rows decided by {', '.join(strangers)}",
                held_back=("metrics", "report pages"),
                next_step=f"tollgate run score --from {day} --to {day}, then run this again",
                runbook="docs/runbooks/rollback.md",
            )
