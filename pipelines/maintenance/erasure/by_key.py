"""A unit deleted by its key: from the lake and its earlier versions, the landing zone, the online
store and the home.

The order lets a run that was interrupted be run again: what is found by the ids of events goes
first, the events themselves go last, and the ledger knows what was begun, so that files of earlier
versions are removed in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from features.state import entities_with_state
from pipelines.accounts.audit import DeletionDetail
from pipelines.base.days import DayRange
from pipelines.lake.deletion import count_where, delete_where, purge
from pipelines.lake.lake import Provenance
from pipelines.landing.landing import Landing
from pipelines.maintenance.erasure.alert_lists import delete_from_alert_lists
from pipelines.maintenance.erasure.files import (
    delete_from_golden_sets,
    delete_leftovers,
    unknown_files,
)
from pipelines.maintenance.erasure.imported import delete_from_imports
from pipelines.maintenance.erasure.landed import beside_feeds, delete_landed, events_in_landing
from pipelines.maintenance.erasure.ledger_examples import delete_backups, delete_from_ledger
from pipelines.maintenance.erasure.predictions import delete_from_answers, delete_from_journal
from pipelines.maintenance.erasure.subject import Subject, as_values, keyed_hashes, subject_of
from pipelines.maintenance.erasure.unread import Unread
from pipelines.maintenance.kept_tables import kept_days
from pipelines.nightly.materialize.stage import materialize
from pipelines.object_store.storage import open_storage
from pipelines.run import Run
from pipelines.stores.watermark import online_store, watermark
from pipelines.usecases.definition import Feed

AUDIT = "retain"
BEGUN, DONE, COUNTED = "begun", "done", "counted"


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What was deleted, or with a dry run would be. `keys` are keyed hashes.

    `tables` by name: rows `before` (those of others with them), `deleted`, `version` (the first one
    without them; absent in a dry run); `landing` by feed: files, rows, unread; `alert_lists` and
    `golden_sets`: rows by name; `imports`: claims of sources on its events; `answers` and
    `journal`: rows of the online scorer; `online`: keys; `records`: of the ledger; `backups`: of
    the ledger, removed with them; `leftovers`: copies of landed files that an ingest could not
    remove. `unread` are files that could not be looked into, `in_use` files that a program has
    open, which may save them as they were.
    """

    state: str
    unit: str
    keys: tuple[str, ...]
    reason: str
    events: int
    tables: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    landing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alert_lists: Mapping[str, int] = field(default_factory=dict)
    golden_sets: Mapping[str, int] = field(default_factory=dict)
    imports: int = 0
    answers: int = 0
    journal: int = 0
    online: int = 0
    records: int = 0
    backups: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    in_use: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json` and the ledger."""
        lists = {
            name: list(vars(self)[name]) for name in ("keys", "backups", "leftovers", "in_use")
        }
        return {**vars(self), **lists, "unread": [asdict(unread) for unread in self.unread]}


def delete_units(
    run: Run, keys: Iterable[str], *, reason: str, unit: str | None = None, dry_run: bool = False
) -> Deletion:
    """Delete every row of the units with these keys (values of `unit`, by default the use case's
    review unit).

    With `dry_run` the rows are counted and nothing is changed. What cannot be understood stops
    nothing: it is named in `unread`, and whether it holds rows of the units is for a person to see.
    Doing it again deletes nothing more; after an interruption it completes what was begun. Raises
    `UsageError` for keys that the column cannot hold, `StoreError` where a store does not answer or
    another writer was faster: what is done by then is done.
    """
    subject = _with_events(run, subject_of(run, keys, unit))
    hashes = keyed_hashes(run.settings, subject.keys)
    deletion = Deletion(
        state=COUNTED,
        unit=subject.unit,
        keys=tuple(hashes),
        reason=reason,
        events=len(subject.events),
        tables=_count(run, subject),
        **_elsewhere(run, subject, dry_run=True),
    )
    touched = {table: row for table, row in deletion.tables.items() if row["deleted"]}
    unfinished = _begun(run, hashes)
    if dry_run or not (unfinished or touched or _anything(deletion)):
        return deletion
    _audit(run, replace(deletion, state=BEGUN, tables={**unfinished, **touched}))
    done = _delete(run, subject, deletion, {**unfinished, **touched})
    _audit(run, done)
    return done


def _delete(
    run: Run, subject: Subject, deletion: Deletion, touched: Mapping[str, Mapping[str, int]]
) -> Deletion:
    events = run.use_case.events.name
    elsewhere = _elsewhere(run, subject, dry_run=False)
    backups = delete_backups(run.settings.home, dry_run=not deletion.records)
    provenance = run.provenance(AUDIT, keys=list(deletion.keys))
    versions = {
        t: _delete_from(run, t, subject, provenance)
        for t in sorted(touched, key=lambda table: table == events)
    }
    online = _forget_online(run, subject, rebuild=bool(touched))
    landing = run.landing
    landed = {
        feed.name: _landed(landing, feed, subject, dry_run=False)
        for feed in reversed(run.use_case.feeds)
    }
    storage = open_storage(run.settings, run.lake.root)
    states = {f"{entity}_state" for entity in entities_with_state(run.use_case.stored_features)}
    for table in {*touched, *(name for name in states if run.lake.exists(name))}:
        purge(run.lake, table, provenance, storage)
    tables = {table: {**row, "version": versions[table]} for table, row in touched.items()}
    unread = _unread(elsewhere.pop("unread"), landed)
    parts = {**elsewhere, "landing": landed, "online": online, "unread": unread}
    return replace(deletion, state=DONE, tables=tables, backups=tuple(backups), **parts)


def _with_events(run: Run, subject: Subject) -> Subject:
    """The subject with the ids of its events, in the lake or only in the landing zone."""
    feed = run.use_case.events
    texts = events_in_landing(run.landing, feed.name, subject)
    if run.lake.exists(feed.name):
        condition = subject.condition(feed.name, [column.name for column in feed.columns])
        rows = run.lake.read(feed.name).where(condition or "FALSE").select(subject.event).toArrow()
        texts |= set(map(str, rows[subject.event].to_pylist()))
    return replace(subject, events=as_values(run.use_case, subject.event, texts))


def _count(run: Run, subject: Subject) -> dict[str, dict[str, int]]:
    """Rows of the tables that can name the subject: all, and the subject's."""
    counts: dict[str, dict[str, int]] = {}
    for table in kept_days(run):
        condition = subject.condition(table, run.lake.read(table).columns)
        if condition is not None:
            before, deleted = count_where(run.lake, table, condition)
            counts[table] = {"before": before, "deleted": deleted}
    return counts


def _delete_from(run: Run, table: str, subject: Subject, provenance: Provenance) -> int:
    condition = subject.condition(table, run.lake.read(table).columns)
    return delete_where(run.lake, table, condition or "FALSE", provenance)


def _elsewhere(run: Run, subject: Subject, *, dry_run: bool) -> dict[str, Any]:
    """What is neither lake nor online store, and in a dry run the landing zone with it."""
    landing, home = run.landing, run.settings.home
    columns = tuple(column.name for column in run.use_case.events.columns)
    answers = delete_from_answers(run, subject, dry_run=dry_run)
    lists = delete_from_alert_lists(
        home, run.folder, subject, dry_run=dry_run, event_columns=columns
    )
    golden = delete_from_golden_sets(run, subject, dry_run=dry_run)
    claims = delete_from_imports(run, subject, dry_run=dry_run)
    feeds = run.use_case.feeds if dry_run else ()
    feeds_of_use_case = {feed.name for feed in run.use_case.feeds}
    landed = {feed.name: _landed(landing, feed, subject, dry_run=True) for feed in feeds}
    others = [
        Unread(f"{landing.address}/{path}", "in no feed's folder")
        for path in beside_feeds(landing, feeds_of_use_case)
    ]
    return {
        "answers": sum(answers.by_file.values()),
        "journal": delete_from_journal(run, subject, dry_run=dry_run),
        "alert_lists": lists.by_file,
        "golden_sets": golden.by_file,
        "imports": sum(claims.by_file.values()),
        "records": delete_from_ledger(run, subject, dry_run=dry_run),
        "landing": landed,
        "leftovers": tuple(delete_leftovers(home, dry_run=dry_run)),
        "in_use": tuple(lists.in_use),
        "unread": _unread(
            [
                *answers.unread,
                *lists.unread,
                *golden.unread,
                *claims.unread,
                *others,
                *unknown_files(run),
            ],
            landed,
        ),
    }


def _landed(landing: Landing, feed: Feed, subject: Subject, *, dry_run: bool) -> dict[str, Any]:
    columns = [column.name for column in feed.columns]
    return delete_landed(landing, feed.name, subject, dry_run=dry_run, columns=columns).to_json()


def _unread(
    unread: Iterable[Unread], landed: Mapping[str, Mapping[str, Any]]
) -> tuple[Unread, ...]:
    """All files that were not understood, those of the landing zone with them; each once."""
    files: set[Unread] = set()
    for feed in landed.values():
        files |= {Unread(f"landing/{path}", feed["why"][path]) for path in feed["unread"]}
    return tuple(sorted({*unread, *files}))


def _forget_online(run: Run, subject: Subject, *, rebuild: bool) -> int:
    """Remove the keys online; states of others, which hold the same events, are built anew without
    them.
    """
    mark = watermark(run.ledger)
    if mark is None:
        return 0
    if rebuild:
        materialize(run, DayRange.single(mark.day))
    stored = run.use_case.stored_features
    entities = [
        name
        for name in entities_with_state(stored)
        if stored.schema.entity(name).key == subject.unit
    ]
    return sum(online_store(run).delete(entity, subject.keys) for entity in entities)


def _anything(deletion: Deletion) -> bool:
    landed = any(feed["rows"] for feed in deletion.landing.values())
    served = deletion.answers or deletion.journal
    home = (
        deletion.alert_lists
        or deletion.golden_sets
        or deletion.imports
        or deletion.records
        or deletion.leftovers
    )
    return bool(landed or home or served)


def _begun(run: Run, hashes: list[str]) -> dict[str, Mapping[str, int]]:
    """The tables of a deletion of the same keys that was begun and not completed."""
    open_tables: dict[str, Mapping[str, int]] = {}
    for entry in run.ledger.audit_entries(DeletionDetail):
        detail = entry.detail
        if set(detail.keys) & set(hashes):
            begun = detail.tables if detail.state == BEGUN else {}
            open_tables = {table: rows.to_json() for table, rows in begun.items()}
    return open_tables


def _audit(run: Run, deletion: Deletion) -> None:
    subject = (
        f"{deletion.unit}, {len(deletion.keys)} keys" if len(deletion.keys) > 1 else deletion.unit
    )
    detail = DeletionDetail.from_json(deletion.to_json())
    run.ledger.audit(subject, detail, actor=run.actor, at=run.clock())
