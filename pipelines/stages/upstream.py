"""Are the days there that a stage builds on? Those not made yet, refused or lost each say so in their own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipelines.accounts.account import Account
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.platform.days import DayRange, grouped
from pipelines.platform.errors import GateError, PermanentError, TransientError
from pipelines.platform.ledger import StageRecord
from pipelines.run import Run


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The table that a stage makes whose account counts the day's rows, and what is held back without it."""

    account: type[FeaturesAccount] | type[ScoreAccount]
    table: str
    held_back: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The stage that makes the table."""
        return self.account.STAGE

    def rows(self, run: Run, days: DayRange, version: int | None) -> dict[date, int]:
        """Rows of the table at that version for each of `days`; 0 for a day that the ledger knows to be empty.

        Raises `TransientError` for a day that is not made yet, `GateError` for one that was refused, `PermanentError`
        where the ledger counts rows that the lake does not hold.
        """
        records = run.ledger.latest(self.account, first=days.first, last=days.last)
        refused = [day for day in days if day in records and records[day].status == "refused"]
        if refused:
            raise self._refused(refused, records[refused[0]])
        counts = self._counts(run, days, version)
        missing = [day for day in days if day not in counts]
        if unmade := [day for day in missing if day not in records or records[day].status != "done"]:
            raise self._unmade(unmade)
        if lost := [day for day in missing if records[day].account.rows_handled() > 0]:
            raise self._lost(run, lost, records[lost[0]])
        return {day: counts.get(day, 0) for day in days}

    def _counts(self, run: Run, days: DayRange, version: int | None) -> Mapping[date, int]:
        if version is None:
            return {}
        rows = run.lake.read(self.table, days=days, version=version).groupBy("day").count().collect()
        return {row["day"]: int(row["count"]) for row in rows}

    def _command(self, days: list[date]) -> str:
        return f"tollgate run {self.stage} --from {days[0]} --to {days[-1]}"

    def _unmade(self, days: list[date]) -> TransientError:
        return TransientError(
            f"{self.table} are not made yet",
            where=self.table,
            day=_named(days),
            expected=f"stage {self.stage} done for every day asked for",
            found=f"no {self.table} for {len(days)} day{'s' if len(days) > 1 else ''}",
            held_back=self.held_back,
            next_step=f"{self._command(days)}, then run this again",
        )

    def _refused(self, days: list[date], record: StageRecord[Account]) -> GateError:
        return GateError(
            f"the day's {self.table} were refused, so nothing is built on them",
            where=self.table,
            day=_named(days),
            expected=f"{self.table} that passed their gate",
            found=f"refused in run {record.run_id}: {record.account.reason or 'see its gate'}",
            held_back=self.held_back,
            next_step=f"mend what was refused, then {self._command(days)}",
        )

    def _lost(self, run: Run, days: list[date], record: StageRecord[Account]) -> PermanentError:
        return PermanentError(
            f"the ledger counts {self.table} that the lake does not hold",
            where=run.lake.path(self.table),
            day=_named(days),
            expected=f"{record.account.rows_handled():,} rows on {days[0]} (run {record.run_id})",
            found="0 rows",
            held_back=self.held_back,
            next_step=f"{self._command(days)}, then run this again",
        )


def _named(days: list[date]) -> str:
    return ", ".join(map(str, grouped(days)))
