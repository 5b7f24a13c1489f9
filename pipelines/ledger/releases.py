"""Releases in the ledger: immutable rows, their states, and one pointer per use case that moves by
compare-and-swap.

The pointer names the champion and, while one is tried out, its challenger; both are read and moved
together. Each move is kept (`moves`, one row for each generation), so that what decided when can be
told, and history is never rewritten.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from pipelines.accounts.audit import MoveAuditDetail, MoveDetail
from pipelines.accounts.release import ReleaseAccount
from pipelines.base.errors import OvertakenError, PermanentError, StoreError
from pipelines.ledger.documents import read_document
from pipelines.ledger.incidents import IncidentLedger, NewIncident
from pipelines.ledger.store import as_text
from pipelines.ledger.tables import moves, pointers, release_states, releases

LOGGER = logging.getLogger("tollgate.ledger")

OUTCOME_PATIENCE = 30.0
"""Seconds for which a database that went away during a move is asked whether it took the move."""

OUTCOME_PAUSE = 0.5
"""Seconds between two such questions."""

LOCK_PATIENCE_SECONDS = 10
"""How long one such question waits for transactions that are still under way."""

LEDGER_RUNBOOK = "docs/runbooks/ledger.md"

STATES = ("candidate", "refused", "shadow", "canary", "champion", "retired")


@dataclass(frozen=True, kw_only=True)
class Release:
    """An immutable release; its account holds digests, versions, evidence and verdict.

    `document` is the account as it is stored; it is read when `account` is first asked for.
    """

    release_id: str
    created_at: datetime
    document: Mapping[str, Any] = field(repr=False)

    @cached_property
    def account(self) -> ReleaseAccount:
        """What the ledger keeps of the release; raises `PermanentError` where this code cannot read
        it.
        """
        return read_document(ReleaseAccount, self.document, what=f"release {self.release_id}")


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Which release is champion, how often the pointer has moved, and the challenger (`shadow` or
    `canary`), if any.
    """

    release_id: str
    generation: int
    challenger: str | None = None
    challenger_state: str | None = None


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of the pointer, as it is (or shall be) in the history.

    `kind` is `promote` (a new champion), `rollback` (an earlier one put back), `shadow`, `canary`
    or `withdraw` (the challenger's); `subject` is the release that it is about. `champion` and its
    challenger are those after the move.
    """

    kind: str
    subject: str
    champion: str
    challenger: str | None = None
    challenger_state: str | None = None
    reason: str
    actor: str
    at: datetime
    detail: MoveDetail = field(default_factory=MoveDetail)
    generation: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "at": as_text(self.at), "detail": self.detail.to_json()}


class ReleaseLedger(IncidentLedger):
    """The releases of a use case, their states, and the pointer."""

    def add_release(self, release_id: str, account: ReleaseAccount, *, at: datetime) -> None:
        """Add an immutable release; raises `PermanentError` where the id is taken."""
        row = releases.insert().values(
            release_id=release_id,
            use_case=self.use_case,
            created_at=as_text(at),
            payload=account.to_stored(),
        )
        try:
            with self._writing() as connection:
                connection.execute(row)
        except sa.exc.IntegrityError as error:
            raise PermanentError(
                f"release {release_id} is already in the ledger",
                where=self.where,
                next_step="`tollgate releases` lists them; a release is never changed",
            ) from error

    def releases(self) -> list[Release]:
        """All releases, oldest first."""
        query = sa.select(releases).where(releases.c.use_case == self.use_case)
        with self._reading() as connection:
            rows = (
                connection.execute(query.order_by(releases.c.created_at, releases.c.release_id))
                .mappings()
                .all()
            )
        return [_release(row) for row in rows]

    def release(self, release_id: str) -> Release:
        """One release; raises `PermanentError` that names those that exist."""
        same_release = sa.and_(
            releases.c.use_case == self.use_case, releases.c.release_id == release_id
        )
        with self._reading() as connection:
            row = connection.execute(sa.select(releases).where(same_release)).mappings().first()
        if row is None:
            raise PermanentError(
                "unknown release",
                where=self.where,
                expected=", ".join(release.release_id for release in self.releases())
                or "no release exists yet",
                found=release_id,
                next_step="`tollgate releases` lists them",
            )
        return _release(row)

    def set_state(
        self, release_id: str, state: str, *, reason: str, actor: str, at: datetime
    ) -> None:
        """Append a state (one of `STATES`) to a release's history; those that go with a move come
        with the move.
        """
        if state not in STATES:
            raise ValueError(f"{state!r} is none of {', '.join(STATES)}")
        with self._writing() as connection:
            connection.execute(_state_row(release_id, state, reason, actor, at))

    def states(self, release_id: str) -> list[dict[str, str]]:
        """A release's states, oldest first: `state`, `reason`, `actor`, `recorded_at`."""
        columns = (release_states.c[name] for name in ("state", "reason", "actor", "recorded_at"))
        query = (
            sa.select(*columns)
            .where(release_states.c.release_id == release_id)
            .order_by(release_states.c.id)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def states_by_release(self) -> dict[str, list[dict[str, str]]]:
        """The states of every release that has any, as `states` gives them, in one query."""
        columns = (release_states.c[name] for name in ("state", "reason", "actor", "recorded_at"))
        query = (
            sa.select(release_states.c.release_id, *columns)
            .join(releases, releases.c.release_id == release_states.c.release_id)
            .where(releases.c.use_case == self.use_case)
            .order_by(release_states.c.id)
        )
        histories: dict[str, list[dict[str, str]]] = {}
        with self._reading() as connection:
            for row in connection.execute(query).mappings():
                entry = dict(row)
                histories.setdefault(entry.pop("release_id"), []).append(entry)
        return histories

    def champion(self) -> Pointer | None:
        """The pointer, or None before the first promotion; champion and challenger are of one
        moment.
        """
        query = sa.select(pointers).where(pointers.c.use_case == self.use_case)
        with self._reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return Pointer(
            **{
                name: row[name]
                for name in ("release_id", "generation", "challenger", "challenger_state")
            }
        )

    def moves(self) -> list[Move]:
        """Every move of the pointer, oldest first."""
        query = (
            sa.select(moves).where(moves.c.use_case == self.use_case).order_by(moves.c.generation)
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        plain = (
            "kind",
            "subject",
            "champion",
            "challenger",
            "challenger_state",
            "reason",
            "actor",
        )
        return [
            Move(
                **{name: row[name] for name in plain},
                at=datetime.fromisoformat(row["recorded_at"]),
                generation=row["generation"],
                detail=read_document(
                    MoveDetail, row["detail"], what=f"move {row['generation']} of the pointer"
                ),
            )
            for row in rows
        ]

    def move(
        self,
        move: Move,
        *,
        expected: Pointer | None,
        states: Sequence[tuple[str, str]],
        incident: NewIncident | None = None,
        channels: Collection[str] = (),
    ) -> Pointer:
        """Move the pointer if it still is what the caller saw: pointer, history, states, audit,
        incident, or nothing.

        `states` are (release, new state); `channels` are told of the incident (see
        `report_incident`). Raises `PermanentError` where somebody else moved it first: of two at
        once one wins. Where the database goes away before it has answered, it is asked again
        whether it took the move: `StoreError` says that nothing was moved, or that this is not
        known.
        """
        generation = expected.generation + 1 if expected else 1
        connected = False
        try:
            with self._writing() as connection:
                connected = True
                self._write_move(connection, move, generation, expected, states)
                if incident is not None:
                    self._report(
                        connection, incident, at=move.at, actor=move.actor, channels=channels
                    )
        except (_LostError, sa.exc.IntegrityError) as error:
            raise self._lost(expected) from error
        except StoreError as error:
            # A file of SQLite answers or is unchanged; a server may have committed what it could
            # not say any more.
            if not connected or self._engine.dialect.name == "sqlite":
                raise
            if not self._was_taken(move, generation, error):
                raise self._not_moved(move, expected, error) from error
            LOGGER.warning(
                "the ledger went away while move %d was written; it took the move", generation
            )
        return Pointer(
            release_id=move.champion,
            generation=generation,
            challenger=move.challenger,
            challenger_state=move.challenger_state,
        )

    def _write_move(
        self,
        connection: sa.Connection,
        move: Move,
        generation: int,
        expected: Pointer | None,
        states: Sequence[tuple[str, str]],
    ) -> None:
        """Pointer, history, states and audit; raises `_LostError` where the pointer is another by
        now.
        """
        if not self._swap(connection, move, expected):
            raise _LostError
        connection.execute(self._move_row(move, generation))
        for release_id, state in states:
            connection.execute(_state_row(release_id, state, move.reason, move.actor, move.at))
        detail = MoveAuditDetail.from_json(
            {
                **move.detail.to_json(),
                "reason": move.reason,
                "generation": generation,
                "champion": move.champion,
            }
        )
        connection.execute(self._audit_row(move.kind, move.subject, move.actor, move.at, detail))

    def _was_taken(self, move: Move, generation: int, error: StoreError) -> bool:
        """Whether the database took a move that it did not confirm; asks until it answers,
        `OUTCOME_PATIENCE` long.

        Whoever typed the command again after a move that was taken would move the pointer twice.
        Raises `StoreError` where the database does not come back in time.
        """
        end = time.monotonic() + OUTCOME_PATIENCE
        while True:
            try:
                return self._has_move(move, generation)
            except StoreError as again:
                if time.monotonic() > end:
                    raise self._outcome_unknown(move, again) from error
                time.sleep(OUTCOME_PAUSE)

    def _has_move(self, move: Move, generation: int) -> bool:
        """Whether the history has this very move, once no other transaction is writing to the
        pointers.
        """
        same_move = sa.and_(moves.c.use_case == self.use_case, moves.c.generation == generation)
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                # The server may still be at work for a client that it believes to be there: wait
                # for the end of that.
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE_SECONDS}s'")
                connection.exec_driver_sql("LOCK TABLE pointers IN SHARE ROW EXCLUSIVE MODE")
            row = connection.execute(sa.select(moves).where(same_move)).mappings().first()
        if row is None:
            return False
        same = ("kind", "subject", "champion", "challenger", "challenger_state", "reason", "actor")
        written_by_us = all(row[name] == getattr(move, name) for name in same)
        return written_by_us and row["recorded_at"] == as_text(move.at)

    def _not_moved(self, move: Move, expected: Pointer | None, error: StoreError) -> StoreError:
        stays = f"{expected.release_id} still decides" if expected else "no release decides yet"
        return StoreError(
            f"the ledger went away: the move was not made ({move.kind} of {move.subject}), {stays}",
            where=self.where,
            expected="a database that takes the move",
            found=error.found,
            next_step="nothing was moved: run the same command again",
            runbook=LEDGER_RUNBOOK,
        )

    def _outcome_unknown(self, move: Move, error: StoreError) -> StoreError:
        return StoreError(
            f"the ledger went away: it is not known whether the move was made ({move.kind} of"
            f" {move.subject})",
            where=self.where,
            expected=f"an answer within {OUTCOME_PATIENCE:.0f} s",
            found=error.found,
            next_step=(
                "bring the database back and look first: tollgate which; run the same command"
                f" again only where it does not show {move.subject} as"
                f" {move.challenger_state or 'champion'}"
            ),
            runbook=LEDGER_RUNBOOK,
        )

    def move_champion(
        self,
        release_id: str,
        *,
        expected: Pointer | None,
        reason: str,
        actor: str,
        at: datetime,
    ) -> Pointer:
        """Make a release champion if the pointer still is what the caller saw; the one before
        retires.

        A challenger stays what it is, unless it is the one promoted. Raises `PermanentError` as
        `move` does.
        """
        stays = expected is not None and expected.challenger not in {None, release_id}
        move = Move(
            kind="promote",
            subject=release_id,
            champion=release_id,
            challenger=expected.challenger if expected and stays else None,
            challenger_state=expected.challenger_state if expected and stays else None,
            reason=reason,
            actor=actor,
            at=at,
        )
        before = (
            [(expected.release_id, "retired")]
            if expected and expected.release_id != release_id
            else []
        )
        return self.move(move, expected=expected, states=[*before, (release_id, "champion")])

    def _swap(self, connection: sa.Connection, move: Move, expected: Pointer | None) -> bool:
        values = {
            "release_id": move.champion,
            "challenger": move.challenger,
            "challenger_state": move.challenger_state,
        }
        if expected is None:
            connection.execute(
                pointers.insert().values(use_case=self.use_case, generation=1, **values)
            )
            return True
        seen = sa.and_(
            pointers.c.use_case == self.use_case, pointers.c.generation == expected.generation
        )
        update = pointers.update().where(seen).values(generation=expected.generation + 1, **values)
        return connection.execute(update).rowcount == 1

    def _move_row(self, move: Move, generation: int) -> sa.Insert:
        plain = ("kind", "subject", "champion", "challenger", "challenger_state", "reason", "actor")
        return moves.insert().values(
            use_case=self.use_case,
            generation=generation,
            **{name: getattr(move, name) for name in plain},
            recorded_at=as_text(move.at),
            detail=move.detail.to_stored(),
        )

    def _lost(self, expected: Pointer | None) -> PermanentError:
        now = self.champion()
        return OvertakenError(
            "another promotion was faster",
            where=self.where,
            expected=(
                f"champion {expected.release_id}, move {expected.generation}"
                if expected
                else "no champion"
            ),
            found=f"champion {now.release_id}, move {now.generation}" if now else "no champion",
            next_step="look at `tollgate which`, then decide again",
        )


class _LostError(Exception):
    """The pointer is no longer what the caller saw; the transaction is rolled back."""


def _state_row(release_id: str, state: str, reason: str, actor: str, at: datetime) -> sa.Insert:
    return release_states.insert().values(
        release_id=release_id, state=state, reason=reason, actor=actor, recorded_at=as_text(at)
    )


def _release(row: sa.RowMapping) -> Release:
    return Release(
        release_id=row["release_id"],
        created_at=datetime.fromisoformat(row["created_at"]),
        document=row["payload"],
    )
