"""The ledger: what must be atomic and ordered. Append-only rows in SQL; one pointer that moves by compare-and-swap.

Tables: `stage_records` (what each stage did for each day), `releases` (immutable), `release_states` (their history),
`pointers` (which release is champion, with a generation), `audit` (who did what and why). SQLite by default, any
SQLAlchemy URL otherwise. Times are UTC, ISO 8601 text; payloads are JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from pipelines.platform.errors import PermanentError
from pipelines.platform.ledger_tables import (
    audit,
    open_ledger,
    pointers,
    release_states,
    releases,
    stage_records,
)


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What a stage did for one day: `status` is `done`, `refused` or `failed`; `payload` is the stage's own account."""

    stage: str
    day: date
    status: str
    run_id: str
    recorded_at: datetime
    payload: Mapping[str, Any]
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Release:
    """An immutable release; `payload` holds digests, versions, evidence and verdict."""

    release_id: str
    created_at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Which release is champion, and how often the pointer has moved."""

    release_id: str
    generation: int


class Ledger:
    """One use case's view of the ledger. Every write is one transaction; every `at` is an aware UTC instant."""

    def __init__(self, url: str, use_case: str) -> None:
        self.url = url
        self.use_case = use_case
        self._engine = open_ledger(url)

    def record_stage(
        self, stage: str, day: date, status: str, *, run_id: str, at: datetime, payload: Mapping[str, Any]
    ) -> None:
        """Append what a stage did for a day."""
        self.record_stages(stage, {day: payload}, status, run_id=run_id, at=at)

    def record_stages(
        self, stage: str, days: Mapping[date, Mapping[str, Any]], status: str, *, run_id: str, at: datetime
    ) -> None:
        """Append what a stage did for several days, all or none."""
        rows = [
            {
                "use_case": self.use_case,
                "stage": stage,
                "day": str(day),
                "status": status,
                "run_id": run_id,
                "recorded_at": _text(at),
                "payload": dict(payload),
            }
            for day, payload in days.items()
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(stage_records.insert(), rows)

    def stage_records(
        self, stage: str | None = None, *, first: date | None = None, last: date | None = None
    ) -> list[StageRecord]:
        """All records in the order they were made, of one stage and of days from `first` to `last` where given."""
        query = sa.select(stage_records).where(stage_records.c.use_case == self.use_case)
        if stage is not None:
            query = query.where(stage_records.c.stage == stage)
        if first is not None:
            query = query.where(stage_records.c.day >= str(first))
        if last is not None:
            query = query.where(stage_records.c.day <= str(last))
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(stage_records.c.id)).mappings().all()
        return [
            StageRecord(
                stage=row["stage"],
                day=date.fromisoformat(row["day"]),
                status=row["status"],
                run_id=row["run_id"],
                recorded_at=datetime.fromisoformat(row["recorded_at"]),
                payload=row["payload"],
                sequence=row["id"],
            )
            for row in rows
        ]

    def latest(
        self, stage: str, *, first: date | None = None, last: date | None = None, status: str | None = None
    ) -> dict[date, StageRecord]:
        """The newest record of each day of a stage (of one status where given)."""
        records = self.stage_records(stage, first=first, last=last)
        return {record.day: record for record in records if status is None or record.status == status}

    def stage_statuses(self) -> dict[tuple[str, date], str]:
        """The newest status of every stage and day there is; reads no payloads."""
        columns = (stage_records.c.stage, stage_records.c.day, stage_records.c.status)
        query = sa.select(*columns).where(stage_records.c.use_case == self.use_case).order_by(stage_records.c.id)
        with self._engine.connect() as connection:
            return {(stage, date.fromisoformat(day)): status for stage, day, status in connection.execute(query)}

    def add_release(self, release_id: str, payload: Mapping[str, Any], *, at: datetime) -> None:
        """Add an immutable release; raises `PermanentError` where the id is taken."""
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    releases.insert().values(
                        release_id=release_id, use_case=self.use_case, created_at=_text(at), payload=dict(payload)
                    )
                )
        except sa.exc.IntegrityError as error:
            raise PermanentError(f"release {release_id} is already in the ledger", where=self.url) from error

    def releases(self) -> list[Release]:
        """All releases, oldest first."""
        query = sa.select(releases).where(releases.c.use_case == self.use_case)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(releases.c.created_at, releases.c.release_id)).mappings().all()
        return [_release(row) for row in rows]

    def release(self, release_id: str) -> Release:
        """One release; raises `PermanentError` that names those that exist."""
        for release in (known := self.releases()):
            if release.release_id == release_id:
                return release
        raise PermanentError(
            "unknown release",
            where=self.url,
            expected=", ".join(release.release_id for release in known) or "no release exists yet",
            found=release_id,
            next_step="`tollgate releases` lists them",
        )

    def set_state(self, release_id: str, state: str, *, reason: str, actor: str, at: datetime) -> None:
        """Append a state (candidate, refused, shadow, canary, champion, retired) to a release's history."""
        with self._engine.begin() as connection:
            connection.execute(_state_row(release_id, state, reason, actor, at))

    def states(self, release_id: str) -> list[dict[str, str]]:
        """A release's states, oldest first: `state`, `reason`, `actor`, `recorded_at`."""
        query = sa.select(
            release_states.c.state,
            release_states.c.reason,
            release_states.c.actor,
            release_states.c.recorded_at,
        ).where(release_states.c.release_id == release_id)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(release_states.c.id)).mappings()]

    def champion(self) -> Pointer | None:
        """The champion's pointer, or None before the first promotion."""
        query = sa.select(pointers).where(pointers.c.use_case == self.use_case)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return Pointer(release_id=row["release_id"], generation=row["generation"]) if row else None

    def move_champion(
        self, release_id: str, *, expected: Pointer | None, reason: str, actor: str, at: datetime
    ) -> Pointer:
        """Make a release champion if the pointer still is what the caller saw; states and pointer move together.

        Raises `PermanentError` where somebody else moved it first: one of two promotions at once wins.
        """
        try:
            with self._engine.begin() as connection:
                if expected is None:
                    connection.execute(
                        pointers.insert().values(use_case=self.use_case, release_id=release_id, generation=1)
                    )
                    moved = 1
                else:
                    moved = connection.execute(
                        pointers.update()
                        .where(
                            pointers.c.use_case == self.use_case,
                            pointers.c.generation == expected.generation,
                        )
                        .values(release_id=release_id, generation=expected.generation + 1)
                    ).rowcount
                if moved == 1:
                    if expected is not None and expected.release_id != release_id:
                        connection.execute(_state_row(expected.release_id, "retired", reason, actor, at))
                    connection.execute(_state_row(release_id, "champion", reason, actor, at))
        except sa.exc.IntegrityError:
            moved = 0
        if moved != 1:
            now = self.champion()
            raise PermanentError(
                "another promotion was faster",
                where=self.url,
                expected=f"champion {expected.release_id if expected else 'none'}",
                found=f"champion {now.release_id if now else 'none'}",
                next_step="look at `tollgate which`, then decide again",
            )
        return Pointer(release_id=release_id, generation=expected.generation + 1 if expected else 1)

    def audit(self, kind: str, subject: str, *, actor: str, at: datetime, detail: Mapping[str, Any]) -> None:
        """Append who did what to what, and why."""
        with self._engine.begin() as connection:
            connection.execute(
                audit.insert().values(
                    use_case=self.use_case,
                    kind=kind,
                    subject=subject,
                    actor=actor,
                    recorded_at=_text(at),
                    detail=dict(detail),
                )
            )

    def audit_entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Audit entries, oldest first."""
        query = sa.select(audit).where(audit.c.use_case == self.use_case)
        if kind is not None:
            query = query.where(audit.c.kind == kind)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(audit.c.id)).mappings()]


def _state_row(release_id: str, state: str, reason: str, actor: str, at: datetime) -> sa.Insert:
    return release_states.insert().values(
        release_id=release_id, state=state, reason=reason, actor=actor, recorded_at=_text(at)
    )


def _release(row: sa.RowMapping) -> Release:
    return Release(
        release_id=row["release_id"], created_at=datetime.fromisoformat(row["created_at"]), payload=row["payload"]
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
