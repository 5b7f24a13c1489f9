"""Days deleted because of their age: what the use case's retention policy says, of lake, landing
zone and home.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

from pipelines.accounts.audit import DeletionDetail
from pipelines.accounts.maintain import DeletedByAge, UnreadFile
from pipelines.lake.deletion import count_where, delete_where
from pipelines.maintenance.erasure.alert_lists import delete_old_rows
from pipelines.maintenance.erasure.files import KNOWN, KNOWN_OF_USE_CASE
from pipelines.maintenance.erasure.imported import delete_old_claims
from pipelines.maintenance.erasure.landed import undated
from pipelines.maintenance.erasure.predictions import answered_days
from pipelines.maintenance.erasure.unread import Unread, strangers
from pipelines.maintenance.kept_tables import kept_days
from pipelines.run import Run
from pipelines.usecases.policies.retention import ALERT_LISTS, ANSWERS, LANDING, REPORTS

AUDIT = "retain"


def delete_by_age(run: Run, today: date, *, dry_run: bool = False) -> dict[str, DeletedByAge]:
    """Delete the days that are older than the policy allows on `today`; doing it again deletes
    nothing more.

    Returns by name: `before` (the first day that is kept), `deleted` (rows of a table, files
    elsewhere), for a table `version` (absent in a dry run), and where there are any `unread`: path
    and why of files whose day cannot be told, so that they may be too old. What an earlier version
    of a table holds goes with the next upkeep after `versions_days`. An audit entry is made where
    anything was deleted.

    A policy that names what there is not, or deletes what features or training still read, is no
    valid declaration. Raises `StoreError` where a store does not answer.
    """
    policy = run.use_case.retention.days
    first = {name: today - timedelta(days=days) for name, days in policy.items()}
    deleted: dict[str, DeletedByAge] = {}
    for table in kept_days(run):
        if table in first:
            deleted[table] = _of_table(run, table, first[table], dry_run)
    if LANDING in first:
        deleted[LANDING] = _of_landing(run, first[LANDING], dry_run)
    if ALERT_LISTS in first:
        deleted[ALERT_LISTS] = _of_alert_lists(run, first[ALERT_LISTS], dry_run)
    if REPORTS in first:
        deleted[REPORTS] = _of_reports(run, first[REPORTS], dry_run)
    if ANSWERS in first:
        deleted[ANSWERS] = _of_answers(run, first[ANSWERS], dry_run)
    if not dry_run and any(part.deleted for part in deleted.values()):
        tables = {
            name: part.to_json()
            for name, part in deleted.items()
            if part.version is not None and part.deleted
        }
        others = {name: part.to_json() for name, part in deleted.items() if name not in tables}
        detail = DeletionDetail.from_json(
            {
                "state": "done",
                "reason": "older than the retention policy",
                "today": str(today),
                "tables": tables,
                "elsewhere": others,
            }
        )
        run.ledger.audit("by age", detail, actor=run.actor, at=run.clock())
    return deleted


def _of_table(run: Run, table: str, first: date, dry_run: bool) -> DeletedByAge:
    condition = f"day < DATE'{first}'"
    old = DeletedByAge(before=first, deleted=count_where(run.lake, table, condition)[1])
    if old.deleted and not dry_run:
        version = delete_where(run.lake, table, condition, run.provenance(AUDIT, before=str(first)))
        return old.replaced(version=version)
    return old


def _of_landing(run: Run, first: date, dry_run: bool) -> DeletedByAge:
    """Whole folders of days, arrived or not, and what imports keep of them."""
    landing = run.landing
    old: list[tuple[str, date]] = []
    for feed in run.use_case.feeds:
        old += [(feed.name, day) for day in landing.folders(feed.name) if day < first]
    files = sum(len(landing.storage.files(f"{name}/{day}")) for name, day in old)
    files += delete_old_claims(run, first, dry_run=dry_run)
    for name, day in () if dry_run else old:
        landing.remove_day(name, day)
    paths = chain.from_iterable(undated(landing, feed.name) for feed in run.use_case.feeds)
    unread = [Unread(path, "in no folder of a day") for path in paths]
    return _account(first, files, unread)


def _of_answers(run: Run, first: date, dry_run: bool) -> DeletedByAge:
    """Whole days of the scorer's log of answers."""
    old = [path for day, path in answered_days(run) if day < first]
    files = sum(len(list(path.rglob("*.parquet"))) for path in old)
    for path in () if dry_run else old:
        shutil.rmtree(path, ignore_errors=True)
    home = run.settings.home
    beside = strangers(home, home / "serving", KNOWN["serving"])
    return _account(
        first, files, [file for file in beside if file.path.startswith("serving/answers/")]
    )


def _of_alert_lists(run: Run, first: date, dry_run: bool) -> DeletedByAge:
    """Lists by the day in their name, and of copies the rows of old days."""
    rows = delete_old_rows(run.settings.home, run.folder, first, dry_run=dry_run)
    return _account(first, len(rows.by_file), rows.unread)


def _of_reports(run: Run, first: date, dry_run: bool) -> DeletedByAge:
    old = [path for day, path in _dated(run.folder / "reports", ".html") if day < first]
    for path in () if dry_run else old:
        path.unlink(missing_ok=True)
    strange = strangers(run.settings.home, run.folder / "reports", KNOWN_OF_USE_CASE["reports"])
    return _account(first, len(old), strange)


def _account(first: date, deleted: int, unread: Iterable[Unread]) -> DeletedByAge:
    account = DeletedByAge(before=first, deleted=deleted)
    named = tuple(UnreadFile(path=file.path, why=file.why) for file in unread)
    return account.replaced(unread=named) if named else account


def _dated(folder: Path, ending: str) -> Iterator[tuple[date, Path]]:
    """The files whose name begins with a day."""
    for path in sorted(folder.glob(f"*{ending}")):
        try:
            yield date.fromisoformat(path.name[:10]), path
        except ValueError:
            continue


def unread_of(deleted: Mapping[str, DeletedByAge]) -> list[Unread]:
    """The files that were not understood, of all names."""
    files = chain.from_iterable(part.unread for part in deleted.values())
    return [Unread(file.path, file.why) for file in files]


def described(deleted: Mapping[str, DeletedByAge]) -> list[tuple[str, str, int]]:
    """What was deleted, as rows: name, first day that is kept, how much."""
    return [(name, str(part.before), part.deleted) for name, part in deleted.items()]
