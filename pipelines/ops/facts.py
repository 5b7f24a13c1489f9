"""What the pages show, read from the ledger when a page asks for it: no lake, no engine, nothing
unrecorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from pipelines.accounts.account import Account
from pipelines.accounts.audit import ApprovalDetail, AuditEntry, RejectionDetail
from pipelines.accounts.gate import GateAccount
from pipelines.base.days import DayRange
from pipelines.ledger.ledger import Incident, Move, Pointer, Release, StageRecord
from pipelines.releases.facts import ReleaseRow, release_rows
from pipelines.run import Run
from pipelines.status.days import DayRow, day_rows
from pipelines.status.deadlines import Heads
from pipelines.status.status import Standing, newest_day, standing
from pipelines.usecases.definition import UseCase

SHOWN_DAYS = 28
MOST_DAYS = 366
"""Days that a table holds at most: a page of three years would have 1 MB and take seconds."""
SCORED_DAYS = 90
"""How many days back the scorecard looks."""


@dataclass(frozen=True)
class Facts:
    """The ledger of a use case as of one moment, for `days` (default: the newest four weeks); all
    instants are UTC.
    """

    run: Run
    days: DayRange | None = None

    @property
    def use_case(self) -> UseCase:
        """The declaration that the pages speak of."""
        return self.run.use_case

    @cached_property
    def at(self) -> datetime:
        """The moment of reading."""
        return self.run.clock()

    @cached_property
    def heads(self) -> Heads:
        """The newest record of every stage and day, without its payload."""
        return self.run.ledger.stage_heads()

    @cached_property
    def newest(self) -> date | None:
        """The newest day that is over and that any stage has a record of."""
        return newest_day(self.run, self.heads)

    @cached_property
    def shown(self) -> DayRange | None:
        """The days of the tables; None in a ledger without days.

        Of a longer range the newest `MOST_DAYS`.
        """
        days = self.days or self.back(SHOWN_DAYS)
        if days is None or len(days) <= MOST_DAYS:
            return days
        return DayRange(days.last - timedelta(days=MOST_DAYS - 1), days.last)

    @property
    def not_shown(self) -> int:
        """How many of the days that were asked for the tables leave out, the oldest ones."""
        return len(self.days) - len(self.shown) if self.days and self.shown else 0

    def back(self, count: int) -> DayRange | None:
        """The `count` days that end with the newest one."""
        return (
            DayRange(self.newest - timedelta(days=count - 1), self.newest) if self.newest else None
        )

    @cached_property
    def standing(self) -> Standing:
        """Where things stand, with the rows of `shown`."""
        return standing(self.run, self.shown, heads=self.heads)

    @property
    def rows(self) -> Sequence[DayRow]:
        """A row for each of `shown` on which any stage ran, in order."""
        return self.standing.rows

    def row(self, day: date) -> DayRow | None:
        """The row of one day, None where nothing ran."""
        return next(iter(day_rows(self.run, DayRange.single(day))), None)

    @cached_property
    def records(self) -> Mapping[str, Mapping[date, StageRecord[Account]]]:
        """The newest record of each stage and day of `shown`."""
        return newest_records(self.history(self.shown)) if self.shown else {}

    def history(self, days: DayRange) -> list[StageRecord[Account]]:
        """Every record of `days` in the order in which they were made, repeated attempts
        included.
        """
        return self.run.ledger.stage_records(first=days.first, last=days.last)

    @cached_property
    def pointer(self) -> Pointer | None:
        """Champion and challenger, None before the first promotion."""
        return self.run.ledger.champion()

    @cached_property
    def releases(self) -> Sequence[Release]:
        """All releases, newest first."""
        return list(reversed(self.run.ledger.releases()))

    @cached_property
    def states(self) -> Mapping[str, list[dict[str, str]]]:
        """The states of each release, oldest first."""
        return self.run.ledger.states_by_release()

    @cached_property
    def release_rows(self) -> Mapping[str, ReleaseRow]:
        """What is to be known wherever a release is shown, by its name."""
        return {row.release: row for row in release_rows(self.run)}

    def state(self, release_id: str) -> str:
        """A release's state now."""
        history = self.states.get(release_id) or [{"state": "candidate"}]
        return history[-1]["state"]

    @cached_property
    def moves(self) -> Sequence[Move]:
        """Every move of the pointer, oldest first."""
        return self.run.ledger.moves()

    @cached_property
    def answers(self) -> Sequence[AuditEntry[Any]]:
        """What persons answered where a release waited for one (audit entries), oldest first."""
        entries: list[AuditEntry[Any]] = [
            *self.run.ledger.audit_entries(ApprovalDetail),
            *self.run.ledger.audit_entries(RejectionDetail),
        ]
        return sorted(entries, key=lambda entry: entry.number)

    @cached_property
    def incidents(self) -> Sequence[Incident]:
        """All incidents, newest first."""
        return list(reversed(self.run.ledger.incidents()))

    @property
    def open_incidents(self) -> list[Incident]:
        """Those that nobody and nothing has resolved yet, critical ones first."""
        still = [incident for incident in self.incidents if incident.resolved_at is None]
        return sorted(still, key=lambda incident: incident.severity != "critical")


def newest_records(
    history: Sequence[StageRecord[Account]],
) -> dict[str, dict[date, StageRecord[Account]]]:
    """The newest record of each stage and day; what was only begun is none."""
    records: defaultdict[str, dict[date, StageRecord[Account]]] = defaultdict(dict)
    for record in history:
        if record.status != "begun":
            records[record.stage][record.day] = record
    return dict(records)


def counted_results(record: StageRecord[Account]) -> list[GateAccount]:
    """The results of a stage's gate, by suite; those that did not count their checks are left
    out.
    """
    return [result for result in record.account.gates() if result.checks is not None]
