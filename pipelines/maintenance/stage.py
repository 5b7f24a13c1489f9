"""Maintain: days that are too old deleted, small files put together, old versions removed, the
ledger backed up.

The account: tables (by name: compacted, into, removed), deleted (by name: before, deleted), backup
(below the home), rows of the ledger in it, backups that were dropped, airflow (old logs removed,
rows of its database cleaned).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.maintain import MaintainAccount
from pipelines.airflow.upkeep import tend_airflow
from pipelines.alerting.incidents import deliver, report, settle
from pipelines.base.days import DayRange
from pipelines.lake.upkeep import tend
from pipelines.ledger.backup import back_up
from pipelines.ledger.ledger import NewIncident
from pipelines.maintenance.erasure.by_age import delete_by_age, unread_of
from pipelines.maintenance.erasure.unread import Unread
from pipelines.maintenance.kept_tables import kept_days
from pipelines.nightly.monitor.stores import watch_stores
from pipelines.nightly.result import StageResult
from pipelines.run import Run

LOGGER = logging.getLogger("tollgate.maintain")

STAGE = MaintainAccount.STAGE
TOLD = 10
"""Files that an incident names."""


def maintain(run: Run, days: DayRange) -> StageResult[MaintainAccount]:
    """Tend every table and back the ledger up; recorded for the last of `days`, from which the age
    of days is counted.

    The backup comes first, then what the retention policy says is deleted. Airflow's old logs and
    rows go last; where its database cannot be cleaned, the account says so. Raises `StoreError`
    where lake, ledger or disk does not answer, or another writer was faster: what is done by then
    is done, and running it again is safe.
    """
    policy, day = run.use_case.upkeep, days.last
    backup = backup_file(run)
    rows = back_up(run.settings.ledger, backup, at=run.clock())
    dropped = _drop_old_backups(backup.parent, keep=policy.backups)
    deleted = delete_by_age(run, day)
    _tell_of_unread(run, unread_of(deleted))
    settled = day - timedelta(days=policy.settled_days)
    provenance = run.provenance(STAGE)
    tended = {
        table: tend(run.lake, table, settled=settled, versions_days=kept, provenance=provenance)
        for table, kept in kept_days(run).items()
    }
    airflow = tend_airflow(run.settings, before=run.clock() - timedelta(days=policy.airflow_days))
    if airflow.problem:
        LOGGER.warning("old rows of Airflow's database stay: %s", airflow.problem)
    watch_stores(run)
    account = MaintainAccount(
        tables={table: done.account() for table, done in tended.items()},
        deleted=deleted,
        backup=str(backup.relative_to(run.settings.home)),
        ledger_rows=sum(rows.values()),
        backups_dropped=tuple(dropped),
        airflow=airflow.account(),
    )
    return StageResult(stage=STAGE, days=DayRange.single(day), accounts={day: account}).record(run)


def _tell_of_unread(run: Run, unread: Sequence[Unread]) -> None:
    """One open incident while files do not say how old they are, which the policy may want gone."""
    kind, subject = "retention", "files of the home"
    if unread:
        named = [f"{unread_file.path}: {unread_file.why}" for unread_file in unread]
        detail = IncidentDetail(
            by="maintain",
            consequence="these files may be older than the retention policy allows, and stay",
            evidence=tuple(named[:TOLD]),
            next_step="look into them, then tollgate retain --older-than-policy",
            runbook="docs/runbooks/retention.md",
        )
        summary = f"the day of {len(unread)} files cannot be told: {named[0]}"
        report(
            run,
            NewIncident(
                kind=kind, subject=subject, severity="warning", summary=summary, detail=detail
            ),
        )
    else:
        for incident in run.ledger.incidents(open_only=True):
            if (incident.kind, incident.subject) == (kind, subject):
                settle(run, incident, "every file says how old it is")
    deliver(run)


def backup_file(run: Run) -> Path:
    """Where today's backup of the ledger is: it holds what is known now, whichever day the run is
    for.
    """
    return run.settings.home / "backups" / f"ledger-{run.clock().date()}.jsonl.gz"


def _drop_old_backups(folder: Path, *, keep: int) -> list[str]:
    """Remove all but the newest; returns their names."""
    old = sorted(folder.glob("ledger-*.jsonl.gz"))[:-keep]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]
