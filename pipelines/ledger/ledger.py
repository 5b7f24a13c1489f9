"""The ledger: what must be atomic and ordered.

Append-only rows in SQL; one pointer that moves by compare-and-swap.

Tables: `stage_records` (what each stage did for each day), `releases` (immutable), `release_states`
(their history), `pointers` (which release is champion, which one is tried out beside it), `moves`
(every move of the pointer), `incidents`, `audit` (who did what and why), `leases` (who may write to
what now). SQLite by default, any SQLAlchemy URL otherwise. Times are UTC, ISO 8601 text. What a
stage did is stored as JSON; what goes in and comes out is its account, a typed value
(`pipelines.accounts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Generic, TypeVar, overload

import sqlalchemy as sa

from pipelines.accounts.account import Account
from pipelines.accounts.stages import account_type
from pipelines.accounts.withdrawal import WithdrawalAccount
from pipelines.ledger.documents import read_document
from pipelines.ledger.incidents import Incident, NewIncident
from pipelines.ledger.releases import Move, Pointer, Release, ReleaseLedger
from pipelines.ledger.store import as_text
from pipelines.ledger.tables import audit, incidents, moves, releases, stage_records

WITHDRAWN = "withdrawn"
"""The status of a record that takes back what its stage had recorded of its day before."""

__all__ = ["Incident", "Ledger", "Move", "NewIncident", "Pointer", "Release", "StageRecord"]


AnyAccount = TypeVar("AnyAccount", bound=Account)
Of = TypeVar("Of", bound=Account, covariant=True)


@dataclass(frozen=True, kw_only=True)
class StageRecord(Generic[Of]):
    """What a stage did for a day: `status` is `done`, `refused`, `failed`, `begun` or `withdrawn`.

    `document` is the account as it is stored, of the type `kind`; it is read when `account` is
    first asked for.
    """

    stage: str
    day: date
    status: str
    run_id: str
    recorded_at: datetime
    sequence: int
    kind: type[Of]
    document: Mapping[str, Any] = field(repr=False)

    @cached_property
    def account(self) -> Of:
        """The stage's own account; raises `PermanentError` where this code cannot read it."""
        return read_document(
            self.kind, self.document, what=f"the account of {self.stage} of {self.day}"
        )


@dataclass(frozen=True, kw_only=True)
class StageHead:
    """A record without its account."""

    status: str
    run_id: str
    recorded_at: datetime
    sequence: int


class Ledger(ReleaseLedger):
    """One use case's view of the ledger: releases and incidents (see the parent classes), and the
    stages' records.
    """

    def record_stage(
        self, day: date, account: Account, status: str, *, run_id: str, at: datetime
    ) -> None:
        """Append what a stage did for a day; the account says which stage."""
        self.record_stages({day: account}, status, run_id=run_id, at=at)

    def record_stages(
        self, accounts: Mapping[date, Account], status: str, *, run_id: str, at: datetime
    ) -> None:
        """Append what a stage did for several days, all or none; the accounts say which stage."""
        documents = [(account.STAGE, day, account) for day, account in accounts.items()]
        self._record(documents, status, run_id=run_id, at=at)

    def withdraw_stages(
        self,
        stages: Sequence[str],
        day: date,
        account: WithdrawalAccount,
        *,
        run_id: str,
        at: datetime,
    ) -> None:
        """Take back what these stages had recorded of a day: their records before this one go out
        of sight.
        """
        self._record([(stage, day, account) for stage in stages], WITHDRAWN, run_id=run_id, at=at)

    def _record(
        self,
        documents: Sequence[tuple[str, date, Account]],
        status: str,
        *,
        run_id: str,
        at: datetime,
    ) -> None:
        rows = [
            {
                "use_case": self.use_case,
                "stage": stage,
                "day": str(day),
                "status": status,
                "run_id": run_id,
                "recorded_at": as_text(at),
                "payload": account.to_stored(),
            }
            for stage, day, account in documents
        ]
        if rows:
            with self._writing() as connection:
                connection.execute(stage_records.insert(), rows)

    @overload
    def stage_records(
        self,
        stage: type[AnyAccount],
        *,
        first: date | None = None,
        last: date | None = None,
        withdrawn_too: bool = False,
    ) -> list[StageRecord[AnyAccount]]: ...

    @overload
    def stage_records(
        self,
        stage: str | None = None,
        *,
        first: date | None = None,
        last: date | None = None,
        withdrawn_too: bool = False,
    ) -> list[StageRecord[Account]]: ...

    def stage_records(
        self,
        stage: type[Account] | str | None = None,
        *,
        first: date | None = None,
        last: date | None = None,
        withdrawn_too: bool = False,
    ) -> list[StageRecord[Any]]:
        """All records in the order they were made, of one stage and of days from `first` to `last`
        where given.

        The stage is named by the type of its accounts, which the records then have, or by its name.
        A withdrawal takes the records before it of its stage and day out of sight, and itself;
        `withdrawn_too` shows them all.
        """
        query = sa.select(stage_records).where(stage_records.c.use_case == self.use_case)
        if stage is not None:
            name = stage if isinstance(stage, str) else stage.STAGE
            query = query.where(stage_records.c.stage == name)
        if first is not None:
            query = query.where(stage_records.c.day >= str(first))
        if last is not None:
            query = query.where(stage_records.c.day <= str(last))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(stage_records.c.id)).mappings().all()
        if not withdrawn_too:
            withdrawn = {
                (row["stage"], row["day"]): row["id"] for row in rows if row["status"] == WITHDRAWN
            }
            rows = [row for row in rows if row["id"] > withdrawn.get((row["stage"], row["day"]), 0)]
        return [
            StageRecord(
                stage=row["stage"],
                day=date.fromisoformat(row["day"]),
                status=row["status"],
                run_id=row["run_id"],
                recorded_at=datetime.fromisoformat(row["recorded_at"]),
                sequence=row["id"],
                kind=account_type(row["stage"]),
                document=row["payload"],
            )
            for row in rows
        ]

    @overload
    def latest(
        self,
        stage: type[AnyAccount],
        *,
        first: date | None = None,
        last: date | None = None,
        status: str | None = None,
    ) -> dict[date, StageRecord[AnyAccount]]: ...

    @overload
    def latest(
        self,
        stage: str,
        *,
        first: date | None = None,
        last: date | None = None,
        status: str | None = None,
    ) -> dict[date, StageRecord[Account]]: ...

    def latest(
        self,
        stage: type[Account] | str,
        *,
        first: date | None = None,
        last: date | None = None,
        status: str | None = None,
    ) -> dict[date, StageRecord[Any]]:
        """The newest record of each day of a stage (of one status where given)."""
        records = self.stage_records(stage, first=first, last=last)
        return {
            record.day: record for record in records if status is None or record.status == status
        }

    def replace_account(self, sequence: int, account: Account) -> None:
        """Change what a record says: for nothing but to delete what may no longer be kept
        (`tollgate retain`).

        SQLite overwrites what was there; PostgreSQL does so with its next VACUUM.
        """
        same_record = (stage_records.c.use_case == self.use_case, stage_records.c.id == sequence)
        sqlite = self._engine.dialect.name == "sqlite"
        with self._reading() as connection:
            if sqlite:
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            connection.execute(
                stage_records.update().where(*same_record).values(payload=account.to_stored())
            )
            connection.commit()
            if sqlite:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def days_run_as(self, stage: str, mark: str) -> set[date]:
        """The days of a stage with a record whose run id contains `mark`, withdrawn ones not; reads
        no payloads.
        """
        columns = (stage_records.c.day, stage_records.c.status, stage_records.c.run_id)
        query = sa.select(*columns).where(
            stage_records.c.use_case == self.use_case,
            stage_records.c.stage == stage,
            sa.or_(
                stage_records.c.run_id.contains(mark, autoescape=True),
                stage_records.c.status == WITHDRAWN,
            ),
        )
        days: set[date] = set()
        with self._reading() as connection:
            for text, status, run_id in connection.execute(query.order_by(stage_records.c.id)):
                day = date.fromisoformat(text)
                if status == WITHDRAWN:
                    days.discard(day)
                elif mark in run_id:
                    days.add(day)
        return days

    def stage_statuses(self) -> dict[tuple[str, date], str]:
        """The newest status of every stage and day there is, withdrawn ones not; reads no
        payloads.
        """
        return {key: head.status for key, head in self.stage_heads().items()}

    def stage_heads(self) -> dict[tuple[str, date], StageHead]:
        """The newest record of every stage and day there is, withdrawn ones not; reads no
        payloads.
        """
        of_record = stage_records.c
        columns = (
            of_record.stage,
            of_record.day,
            of_record.status,
            of_record.run_id,
            of_record.recorded_at,
        )
        # The newest record of a stage and day decides, a withdrawal included: the index finds it
        # without the others.
        newest = (
            sa.select(sa.func.max(of_record.id))
            .where(of_record.use_case == self.use_case)
            .group_by(of_record.stage, of_record.day)
        )
        query = (
            sa.select(*columns, of_record.id).where(of_record.id.in_(newest)).order_by(of_record.id)
        )
        heads: dict[tuple[str, date], StageHead] = {}
        with self._reading() as connection:
            for stage, day, status, run_id, at, number in connection.execute(query):
                key = (stage, date.fromisoformat(day))
                if status == WITHDRAWN:
                    continue
                made = datetime.fromisoformat(at)
                heads[key] = StageHead(
                    status=status, run_id=run_id, recorded_at=made, sequence=number
                )
        return heads

    def newest_run_ids(self, limit: int = 200) -> list[str]:
        """The run ids of the newest records, oldest first; reads no payloads."""
        query = sa.select(stage_records.c.run_id).where(stage_records.c.use_case == self.use_case)
        with self._reading() as connection:
            rows = (
                connection.execute(query.order_by(stage_records.c.id.desc()).limit(limit))
                .scalars()
                .all()
            )
        return list(reversed(rows))

    def newest_instant(self) -> datetime | None:
        """The latest instant at which a stage was recorded or a release moved, by the clocks of
        then; None if never.

        The numbers of records only grow, but their instants do not where a clock is set back.
        """
        latest = []
        with self._reading() as connection:
            for table in (stage_records, moves):
                query = sa.select(sa.func.max(table.c.recorded_at)).where(
                    table.c.use_case == self.use_case
                )
                latest.append(connection.execute(query).scalar())
        return max((datetime.fromisoformat(text) for text in latest if text), default=None)

    def extent(self) -> dict[str, int]:
        """How far the ledger has come, as numbers that only grow: one that is behind was restored
        from before.
        """
        numbers = {
            "stage records": (sa.func.max(stage_records.c.id), stage_records),
            "releases": (sa.func.count(), releases),
            "moves of the pointer": (sa.func.max(moves.c.generation), moves),
            "incidents": (sa.func.max(incidents.c.id), incidents),
            "audit entries": (sa.func.max(audit.c.id), audit),
        }
        extents = {}
        with self._reading() as connection:
            for what, (number, table) in numbers.items():
                query = (
                    sa.select(number).select_from(table).where(table.c.use_case == self.use_case)
                )
                extents[what] = int(connection.execute(query).scalar() or 0)
        return extents
