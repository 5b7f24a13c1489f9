"""Restated: what matured days were worth, told once more where their labels have been corrected
since.

Decisions that were taken stay, and so does what was found and done at the time; only figures of
performance are told again, in the ledger and in `metrics`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain, starmap

from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange, grouped
from pipelines.ledger.ledger import StageRecord
from pipelines.nightly.monitor.day_pages import write_pages
from pipelines.nightly.monitor.figures import figure_table, figures
from pipelines.nightly.monitor.performance.estimate import realised
from pipelines.nightly.monitor.performance.performance import Performance, performance
from pipelines.nightly.monitor.performance.slice_outcome import with_past
from pipelines.nightly.monitor.watched_days import WatchedDays
from pipelines.run import Run

log = logging.getLogger("tollgate.watch")
STAGE = MonitorAccount.STAGE


def restate(run: Run, before: date) -> list[date]:
    """Judge again those watched days before `before` whose matured day has other labels by now;
    returns them.

    A day is judged again where an ingest after it changed reports of the days on which its matured
    day's labels came. Its account keeps everything but performance, slices and checked, and says in
    `restated` which days had changed; its page is written again, unless the account is of a version
    that did not keep what the page shows.
    """
    first = before - timedelta(days=run.use_case.watch.matured_days)
    watched = run.ledger.latest(
        MonitorAccount, first=first, last=before - timedelta(days=1), status="done"
    )
    ingested = (
        _label_changes(run, first - timedelta(days=2 * run.use_case.label.delay_days))
        if watched
        else []
    )
    changed = {day: _changed(run, record, ingested) for day, record in watched.items()}
    stale = {day: days for day, days in changed.items() if days}
    subjects = {}
    for day in stale:
        performance_before = watched[day].account.performance
        if performance_before is not None:
            subjects[day] = performance_before.subject_day
    performances: dict[date, Performance] = {}
    for span in grouped(set(subjects.values())):
        performances |= performance(run, span)
    accounts = {
        day: _judged_again(
            run, day, watched[day].account, performances[subject], changed=stale[day]
        )
        for day, subject in subjects.items()
        if subject in performances
    }
    if accounts:
        _write(run, accounts)
        log.warning(
            "%d watched days are told again, as labels were corrected: %s",
            len(accounts),
            _listed(accounts),
        )
    return sorted(accounts)


def _label_changes(run: Run, since: date) -> list[tuple[int, set[date]]]:
    """Of each ingest of landing days from `since` on: its place in the ledger, the days whose
    reports it changed.
    """
    labels = run.use_case.labels.name
    return [
        (record.sequence, set(record.account.changed.get(labels, ())))
        for record in run.ledger.stage_records(IngestAccount, first=since)
        if record.status == "done"
    ]


def _changed(
    run: Run, record: StageRecord[MonitorAccount], ingested: Sequence[tuple[int, set[date]]]
) -> set[date]:
    """The days of reports, among those that decided this record's labels, that were ingested anew
    after it.
    """
    recorded = record.account.performance
    if recorded is None:
        return set()
    subject = recorded.subject_day
    decisive = DayRange(subject, subject + timedelta(days=run.use_case.label.delay_days))
    after = (days for sequence, days in ingested if sequence > record.sequence)
    return {day for day in chain.from_iterable(after) if day in decisive}


def _judged_again(
    run: Run, day: date, account: MonitorAccount, judged: Performance, *, changed: Collection[date]
) -> MonitorAccount:
    memory = WatchedDays.of(run, day)
    expected = memory.estimated(judged.subject_day)
    least = run.use_case.evidence.slice_positives
    return account.replaced(
        performance=judged.account(),
        slices=with_past(judged.slices, memory.sliced(judged.subject_day), least=least),
        checked=realised(expected, judged.worth) if expected else None,
        restated=tuple(sorted(changed)),
    )


def _write(run: Run, accounts: Mapping[date, MonitorAccount]) -> None:
    table = figure_table(list(chain.from_iterable(starmap(figures, accounts.items()))))
    inputs = run.lake.versions(["predictions", run.use_case.labels.name])
    frame = run.spark.createDataFrame(table)
    run.lake.replace_listed_days(
        frame, "metrics", accounts, provenance=run.provenance(STAGE, inputs)
    )
    for span in grouped({day for day, account in accounts.items() if account.shown is not None}):
        write_pages(run, span, accounts)
    run.ledger.record_stages(accounts, "done", run_id=run.run_id, at=run.clock())


def _listed(days: Iterable[date]) -> str:
    return ", ".join(map(str, sorted(days)))
