"""Withdraw: a day that was run by mistake is taken back.

Its rows leave the lake, its records leave sight, by a record.

The ledger keeps everything: a withdrawal is a record of each stage that takes the ones before it
out of sight, and an entry in the audit. The landing zone stays as it is, so the day can be run
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.accounts.audit import WithdrawalDetail
from pipelines.accounts.withdrawal import WithdrawalAccount
from pipelines.alerting.incidents import deliver, settle
from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError
from pipelines.lake.deletion import delete_where
from pipelines.nightly.materialize.stage import materialize
from pipelines.nightly.metering import STAGE as COST
from pipelines.nightly.monitor.day_page import page_path
from pipelines.nightly.rollout.stage import STAGE as ROLLOUT
from pipelines.nightly.score.alert_file import alert_file
from pipelines.object_store.storage import open_storage
from pipelines.run import Run
from pipelines.status.days import STAGES
from pipelines.stores.watermark import watermark

AUDIT = "withdraw"
OF_A_DAY = frozenset({*STAGES, ROLLOUT, COST})
"""Stages whose records are of a day; those of others (`train`, `maintain`, an identity of a store)
are of a moment.
"""


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """What was taken back, or with a dry run would be.

    `stages`: the newest status of each stage that had a record; `tables`: those that had a folder
    of the day; `files`: alert list and pages by path below the home; `incidents`: numbers of those
    that were resolved.
    """

    day: date
    reason: str
    stages: Mapping[str, str]
    tables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    incidents: tuple[int, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        lists = {name: list(vars(self)[name]) for name in ("tables", "files", "incidents")}
        return {**vars(self), "day": str(self.day), "stages": dict(self.stages), **lists}


def withdraw(run: Run, day: date, *, reason: str, dry_run: bool = False) -> Withdrawal:
    """Take back what was recorded and written for `day`; after an interruption, doing it again
    completes it.

    Raises `UsageError` where nothing is known of the day, or later days were computed with its
    rows; `StoreError` where a store does not answer or another writer was faster.
    """
    heads = run.ledger.stage_heads()
    stages = {
        stage: head.status for (stage, of), head in heads.items() if of == day and stage in OF_A_DAY
    }
    if not stages:
        raise _refused(
            day,
            "nothing is recorded of this day",
            "a day that a stage has run for",
            "none",
            "tollgate status",
        )
    tables = _tables_with(run, day)
    later = [
        of
        for (stage, of), head in heads.items()
        if stage == "features" and head.status == "done" and of > day
    ]
    if tables and later:
        step = (
            f"withdraw the later days first, the newest first; to repair {day} instead, send it"
            " again and run it again"
        )
        many = f"{len(set(later))} later days, up to {max(later)}"
        raise _refused(
            day,
            "later days were computed with this day's rows",
            "the newest day with features",
            many,
            step,
        )
    concerned = [
        incident
        for incident in run.ledger.incidents(open_only=True)
        if incident.detail.days == (day,)
    ]
    withdrawal = Withdrawal(
        day=day,
        reason=reason,
        stages=stages,
        tables=tables,
        files=tuple(str(path.relative_to(run.folder)) for path in _files(run, day)),
        incidents=tuple(incident.incident_id for incident in concerned),
    )
    if dry_run:
        return withdrawal
    for table in tables:
        delete_where(run.lake, table, f"day = DATE'{day}'", run.provenance(AUDIT, day=str(day)))
    for path in _files(run, day):
        path.unlink(missing_ok=True)
    taken_back = WithdrawalAccount(by=run.actor, reason=reason)
    run.ledger.withdraw_stages(list(stages), day, taken_back, run_id=run.run_id, at=run.clock())
    detail = WithdrawalDetail.from_json(withdrawal.to_json())
    run.ledger.audit(str(day), detail, actor=run.actor, at=run.clock())
    for incident in concerned:
        settle(run, incident, f"{day} was withdrawn: {reason}")
    deliver(run)
    mark = watermark(run.ledger)
    if "materialize" in stages and tables and mark is not None:
        materialize(run, DayRange.single(mark.day))
    return withdrawal


def _tables_with(run: Run, day: date) -> tuple[str, ...]:
    """The tables with a folder of the day; a look at names, so that a day without rows needs no
    engine.
    """
    files = open_storage(run.settings, f"{run.settings.lake}/{run.use_case.name}").files("")
    return tuple(
        sorted({path.split("/")[0] for path in files if path.split("/")[1:2] == [f"day={day}"]})
    )


def _files(run: Run, day: date) -> list[Path]:
    folder = run.folder
    paths = (alert_file(folder, day), page_path(folder, day), page_path(folder, day, "-drift"))
    return [path for path in paths if path.is_file()]


def _refused(day: date, what: str, expected: str, actual: str, next_step: str) -> UsageError:
    return UsageError(what, day=str(day), expected=expected, found=actual, next_step=next_step)
