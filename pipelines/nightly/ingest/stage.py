"""The story of ingest: check what has landed, judge every row, weigh the days, then commit them or
refuse them whole.

The lake after it depends only on what has landed for the days that were ingested: not on their
order, nor on how often a day was run. Where a landing day's rows lose to, or lost to, rows of a day
in this run, it is ingested again with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

from expectations.result import GateResult
from pipelines.accounts.gate import GateAccount
from pipelines.accounts.ingest import FeedCounts, IngestAccount
from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError
from pipelines.base.writable import require_writable
from pipelines.nightly.ingest.arrival import Landed, label_days_after, landed, not_arrived, refused
from pipelines.nightly.ingest.changes import (
    Changes,
    accepted_rows,
    changes,
    commit_changes,
    standing,
)
from pipelines.nightly.ingest.prepared import Prepared, prepared
from pipelines.nightly.ingest.quarantine import TABLE, commit_quarantine, quarantined_rows
from pipelines.nightly.ingest.verdict import budget_error, gate_error, gates, over_budget
from pipelines.nightly.result import StageResult
from pipelines.run import Run

STAGE = IngestAccount.STAGE


@dataclass
class _Written:
    """What the commits of a run did: table versions, and what changed in each feed's table.

    `unrecorded` are days that an earlier run changed without living to record it; this one does.
    """

    versions: dict[str, int] = field(default_factory=dict)
    changes: dict[str, Changes] = field(default_factory=dict)
    unrecorded: set[date] = field(default_factory=set)


def ingest(run: Run, days: DayRange) -> StageResult[IngestAccount]:
    """Bring the landing days `days` into the lake, with the days of labels alone that follow them:
    all, or none.

    Each feed becomes the lake table of its name: the feed's columns, `day` DATE (UTC date of the
    feed's time) and `source_day` DATE (landing day). Rows that break a rule go to `quarantine`.
    Raises `NotArrivedError` where a day is not there, `ContractError` where a file is not what its
    manifest or schema promises, and `GateError` where a day has too many bad rows or a suite's
    critical check fails; nothing is committed then.
    """
    with _scratch(run) as scratch:
        sources = {*days} | label_days_after(run.landing, run.use_case, days.last)
        feeds = _prepared_with_overlaps(run, sources, scratch)
        try:
            verdicts = _require_passable(run, feeds)
            written = _commit(run, feeds)
        finally:
            for feed in feeds:
                feed.release()
    accounts = _accounts(feeds, verdicts, written)
    return StageResult(stage=STAGE, days=days, accounts=accounts, versions=written.versions).record(
        run
    )


def _prepared_with_overlaps(run: Run, sources: set[date], scratch: Path) -> list[Prepared]:
    """The feeds of these landing days and of all others that share keys with them, as the books or
    the lake tell.
    """
    while True:
        sources = _with_known_overlaps(run, sources)
        landed_feeds = _require_landed(
            run,
            landed(run.landing, run.use_case.feeds, sources, scratch),
        )
        feeds = [prepared(run, feed) for feed in landed_feeds.feeds]
        displaced = set(chain.from_iterable(feed.displaced for feed in feeds))
        if not displaced:
            return feeds
        sources |= displaced
        for feed in feeds:
            feed.release()


def _with_known_overlaps(run: Run, sources: set[date]) -> set[date]:
    """`sources` and the later landing days whose books say that they lost rows to one of these."""
    reach = timedelta(days=run.use_case.ingest.lateness_days)
    days = set(sources)
    while True:
        records = run.ledger.latest(
            IngestAccount, first=min(days), last=max(days) + reach, status="done"
        )
        lost = {
            day for day, record in records.items() if days.intersection(record.account.overlaps)
        }
        if lost <= days:
            return days
        days |= lost


def _require_landed(run: Run, landed_feeds: Landed) -> Landed:
    if landed_feeds.absent:
        states = {
            arrival.day: IngestAccount(state=arrival.state, feed=arrival.feed)
            for arrival in landed_feeds.absent
        }
        run.ledger.record_stages(states, "failed", run_id=run.run_id, at=run.clock())
        raise not_arrived(landed_feeds.absent)
    if landed_feeds.refusals:
        reasons = {
            error.day: f"{error.what}: {error.where}: {error.found}"
            for error in landed_feeds.refusals
        }
        _record_refused(run, {date.fromisoformat(day): reason for day, reason in reasons.items()})
        raise refused(landed_feeds.refusals)
    return landed_feeds


def _require_passable(run: Run, feeds: list[Prepared]) -> dict[str, GateResult]:
    """The verdicts of the suites; records the refusal and raises `GateError` where a day may not
    pass.
    """
    if too_bad := over_budget(run, feeds):
        _record_refused(run, too_bad)
        raise budget_error(run, feeds, too_bad)
    verdicts = gates(run, feeds)
    if failed := {name: verdict for name, verdict in verdicts.items() if not verdict.passed}:
        error = gate_error(failed, sorted(feeds[0].accounts))
        _record_refused(run, dict.fromkeys(feeds[0].accounts, error.found))
        raise error
    return verdicts


def _record_refused(run: Run, reasons: Mapping[date, str]) -> None:
    accounts = {
        day: IngestAccount(state="refused", reason=reason) for day, reason in reasons.items()
    }
    run.ledger.record_stages(accounts, "refused", run_id=run.run_id, at=run.clock())


def _commit(run: Run, feeds: list[Prepared]) -> _Written:
    """Quarantine first, then labels, events last: whoever sees a day's events finds all that
    belongs to them.
    """
    written = _Written()
    bad = [feed for feed in feeds if any(account.quarantined for account in feed.accounts.values())]
    rows = list(chain.from_iterable(quarantined_rows(feed.rows, feed.feed) for feed in bad))
    written.versions[TABLE] = commit_quarantine(run, rows, set(feeds[0].accounts))
    for feed in reversed(feeds):
        name, before = feed.feed.name, standing(run, feed.feed.name)
        accepted = accepted_rows(feed.rows, feed.feed)
        change = changes(feed.previous, accepted, feed.feed)
        version = commit_changes(run, feed.feed, change, feed.settled, accepted, feed.accounts)
        written.versions[name] = _either(run, name, version, before.version)
        written.changes[name] = change
        written.unrecorded |= before.unrecorded
    return written


def _either(run: Run, table: str, written: int | None, before: int | None) -> int:
    """The version just written, or the one that stood before where nothing had to be."""
    version = before if written is None else written
    if version is None:
        raise PermanentError(
            "a table that ingest made is gone",
            where=run.lake.path(table),
            expected="the table as the last ingest left it",
            found="none",
            next_step="restore the table's folder from a backup, then run the days again",
        )
    return version


def _accounts(
    feeds: list[Prepared], verdicts: Mapping[str, GateResult], written: _Written
) -> dict[date, IngestAccount]:
    return {day: _account(feeds, day, verdicts, written) for day in sorted(feeds[0].accounts)}


def _account(
    feeds: list[Prepared], day: date, verdicts: Mapping[str, GateResult], written: _Written
) -> IngestAccount:
    of_feeds = {feed.feed.name: feed.accounts[day] for feed in feeds}
    counts = {name: account.counts() for name, account in of_feeds.items()}
    rules: dict[str, int] = {}
    for account in of_feeds.values():
        for rule, count in account.rules.items():
            rules[rule] = rules.get(rule, 0) + count
    total = FeedCounts.total(counts.values())
    overlaps = chain.from_iterable(account.overlaps for account in of_feeds.values())
    return IngestAccount(
        state="arrived" if of_feeds[feeds[0].feed.name].rows_in else "empty",
        rows_in=total.rows_in,
        accepted=total.accepted,
        quarantined=total.quarantined,
        duplicates=total.duplicates,
        late=total.late,
        feeds=counts,
        rules=rules,
        overlaps=tuple(sorted(set(overlaps))),
        changed_days=tuple(sorted(_changed(written, day))),
        changed=_changed_by_feed(written, day),
        gate={name: GateAccount.of(verdict.of_day(str(day))) for name, verdict in verdicts.items()},
        versions=written.versions,
    )


def _changed(written: _Written, source: date) -> set[date]:
    """Days of any table that this landing day changed, and those that no record names yet."""
    changed = (change.by_source.get(source, frozenset()) for change in written.changes.values())
    return set(chain(written.unrecorded, *changed))


def _changed_by_feed(written: _Written, source: date) -> dict[str, tuple[date, ...]]:
    """The same by feed; of days that no record names yet it is not known which feed changed."""
    return {
        name: tuple(sorted({*change.by_source.get(source, frozenset()), *written.unrecorded}))
        for name, change in written.changes.items()
    }


@contextmanager
def _scratch(run: Run) -> Iterator[Path]:
    """A folder below the home for copies of an object store's files; gone afterwards."""
    root = run.settings.home / "scratch"
    require_writable(root, needed_by="ingest")
    with tempfile.TemporaryDirectory(prefix="ingest-", dir=root) as folder:
        yield Path(folder)
