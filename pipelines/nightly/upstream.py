"""Are the days there that a stage builds on?

Those not made yet, refused or lost each say so in their own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from pipelines.accounts.account import Account
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.base.days import DayRange, in_words
from pipelines.base.errors import GateError, PermanentError, TransientError
from pipelines.ledger.ledger import StageRecord
from pipelines.run import Run

Of = TypeVar("Of", bound=Account)

SETTLED = frozenset({"done", "refused"})


@dataclass(frozen=True, kw_only=True)
class SettledDays(Generic[Of]):
    """How days stand with a stage, by its records that settled them: `done` or `refused`.

    `newest` is the newest such record of each day. `accepted` are the days that were done at any
    time: a later refusal leaves the tables as they were, so their rows are there, for windows,
    labels and trainings of other days. What is made of a day itself waits while its newest files
    are refused. An attempt that failed settles nothing.
    """

    newest: Mapping[date, StageRecord[Of]]
    accepted: frozenset[date]

    def lacking(self, days: Iterable[date]) -> list[date]:
        """Those of the days that were never done, in their order."""
        return [day for day in days if day not in self.accepted]

    def refused(self, days: Iterable[date]) -> list[date]:
        """Those of the days whose newest files were refused, in their order."""
        return [day for day in days if day in self.newest and self.newest[day].status == "refused"]


def settled_days(
    run: Run, account: type[Of], first: date | None = None, last: date | None = None
) -> SettledDays[Of]:
    """How the days from `first` to `last` (all, where they are left out) stand with the account's
    stage.
    """
    records = run.ledger.stage_records(account, first=first, last=last)
    return SettledDays(
        newest={record.day: record for record in records if record.status in SETTLED},
        accepted=frozenset(record.day for record in records if record.status == "done"),
    )


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The table that a stage makes whose account counts the day's rows, and what is held back
    without it.
    """

    account: type[FeaturesAccount] | type[ScoreAccount]
    table: str
    held_back: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The stage that makes the table."""
        return self.account.STAGE

    def rows(self, run: Run, days: DayRange, version: int | None) -> dict[date, int]:
        """Rows of the table at that version for each of `days`; 0 for a day that the ledger knows
        to be empty.

        Raises `TransientError` for a day that is not made yet, `GateError` for one that was
        refused, `PermanentError` where the ledger counts rows that the lake does not hold.
        """
        standing = settled_days(run, self.account, days.first, days.last)
        refused = standing.refused(days)
        if refused:
            raise self._refused(refused, standing.newest[refused[0]])
        counts = self._counts(run, days, version)
        without_rows = [day for day in days if day not in counts]
        unmade = standing.lacking(without_rows)
        if unmade:
            raise self._unmade(unmade)
        lost = [day for day in without_rows if standing.newest[day].account.rows_handled() > 0]
        if lost:
            raise self._lost(run, lost, standing.newest[lost[0]])
        return {day: counts.get(day, 0) for day in days}

    def _counts(self, run: Run, days: DayRange, version: int | None) -> Mapping[date, int]:
        if version is None:
            return {}
        rows = (
            run.lake.read(self.table, days=days, version=version).groupBy("day").count().collect()
        )
        return {row["day"]: int(row["count"]) for row in rows}

    def _command(self, days: list[date]) -> str:
        return f"tollgate run {self.stage} --from {days[0]} --to {days[-1]}"

    def _unmade(self, days: list[date]) -> TransientError:
        return TransientError(
            f"{self.table} are not made yet",
            where=self.table,
            day=in_words(days),
            expected=f"stage {self.stage} done for every day asked for",
            found=f"no {self.table} for {len(days)} day{'s' if len(days) > 1 else ''}",
            held_back=self.held_back,
            next_step=f"{self._command(days)}, then run this again",
        )

    def _refused(self, days: list[date], record: StageRecord[Account]) -> GateError:
        return GateError(
            f"the day's {self.table} were refused, so nothing is built on them",
            where=self.table,
            day=in_words(days),
            expected=f"{self.table} that passed their gate",
            found=f"refused in run {record.run_id}: {record.account.reason or 'see its gate'}",
            held_back=self.held_back,
            next_step=f"mend what was refused, then {self._command(days)}",
        )

    def _lost(self, run: Run, days: list[date], record: StageRecord[Account]) -> PermanentError:
        return PermanentError(
            f"the ledger counts {self.table} that the lake does not hold",
            where=run.lake.path(self.table),
            day=in_words(days),
            expected=f"{record.account.rows_handled():,} rows on {days[0]} (run {record.run_id})",
            found="0 rows",
            held_back=self.held_back,
            next_step=f"{self._command(days)}, then run this again",
        )
