"""What all parts of the ledger share: one engine, one use case, writes that are one transaction
each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa

from pipelines.accounts.audit import AuditDetail, AuditEntry, Detail
from pipelines.base.errors import ConfigurationError, PermanentError, StoreError
from pipelines.base.masking import mask_passwords
from pipelines.ledger.documents import read_document
from pipelines.ledger.opening import open_ledger
from pipelines.ledger.remedies import remedy
from pipelines.ledger.tables import audit


class LedgerStore:
    """One use case's view of the ledger.

    Every write is one transaction; every `at` is an aware UTC instant.

    Every method raises `StoreError` where the database does not answer. `where` is the address, its
    password masked.
    """

    def __init__(self, url: str, use_case: str) -> None:
        self.url = url
        self.where = mask_passwords(url)
        self.use_case = use_case
        self._engine = open_ledger(url)

    def audit(self, subject: str, detail: AuditDetail, *, actor: str, at: datetime) -> None:
        """Append who did what to what, and why; the detail's type says what was done."""
        with self._writing() as connection:
            connection.execute(self._audit_row(detail.KIND, subject, actor, at, detail))

    def audit_entries(
        self, detail: type[Detail], kind: str | None = None
    ) -> list[AuditEntry[Detail]]:
        """Audit entries with details of this type, oldest first; raises `PermanentError` where this
        code cannot read one.

        They are those of the type's own kind, or of `kind`; `AuditDetail` itself reads all kinds.
        """
        wanted = kind or detail.KIND
        query = sa.select(audit).where(audit.c.use_case == self.use_case)
        if wanted:
            query = query.where(audit.c.kind == wanted)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(audit.c.id)).mappings().all()
        return [audit_entry(row, detail) for row in rows]

    def _audit_row(
        self, kind: str, subject: str, actor: str, at: datetime, detail: AuditDetail
    ) -> sa.Insert:
        return audit.insert().values(
            use_case=self.use_case,
            kind=kind,
            subject=subject,
            actor=actor,
            recorded_at=as_text(at),
            detail=detail.to_stored(),
        )

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """One transaction: all of it or nothing."""
        with answering(self.where), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with answering(self.where), self._engine.connect() as connection:
            yield connection


def audit_entry(row: sa.RowMapping, detail: type[Detail]) -> AuditEntry[Detail]:
    """A row of the audit as its type; raises `PermanentError` where this code cannot read it."""
    return AuditEntry(
        number=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        actor=row["actor"],
        recorded_at=datetime.fromisoformat(row["recorded_at"]),
        detail=read_document(detail, row["detail"], what=f"audit entry {row['id']}"),
    )


@contextmanager
def answering(where: str) -> Iterator[None]:
    """What a database's errors mean: `StoreError` where it is away, `PermanentError` where it
    refuses.
    """
    try:
        yield
    except sa.exc.IntegrityError:
        raise  # the caller knows what it means: a name that is taken, a race that is lost
    except (sa.exc.OperationalError, sa.exc.InternalError, sa.exc.InterfaceError) as error:
        problem = mask_passwords(str(error.orig).strip())
        if "readonly" in problem:
            raise ConfigurationError(
                "this user may only read the ledger, and this command writes to it",
                where=where,
                expected="the right to write to the ledger's file and its folder",
                found=problem,
                next_step=(
                    "run it as the owner of the home; tollgate status, which, releases, oncall and"
                    " report read"
                ),
            ) from error
        raise StoreError(
            "the ledger does not answer, or did not take a write",
            where=where,
            found=problem,
            next_step=f"{remedy(str(error.orig))}, then run the same command again",
        ) from error
    except sa.exc.DBAPIError as error:
        raise PermanentError(
            "the ledger refuses what it is given or asked",
            where=where,
            found=mask_passwords(str(error.orig).strip()),
            next_step=(
                "look at the rights of its user, and at what was to be written; nothing of it was"
            ),
            runbook="docs/runbooks/ledger.md",
        ) from error


def as_text(at: datetime) -> str:
    """An instant as the ledger keeps it: UTC, ISO 8601."""
    return at.astimezone(UTC).isoformat()
