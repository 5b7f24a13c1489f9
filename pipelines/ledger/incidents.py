"""Incidents in the ledger: what went wrong and needs somebody's eyes, open until it is resolved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipelines.accounts.incident import IncidentDetail
from pipelines.ledger.documents import read_document
from pipelines.ledger.outbox import OutboxLedger
from pipelines.ledger.store import as_text
from pipelines.ledger.tables import incidents

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, kw_only=True)
class NewIncident:
    """What an incident says when it is opened. Of one `kind` and `subject` one is open at a time.

    Days and sources of later reports are added to those of earlier ones, unless it says the
    `whole_truth`: then the newest report alone counts.
    """

    kind: str
    subject: str
    severity: Severity
    summary: str
    detail: IncidentDetail = field(default_factory=IncidentDetail)
    whole_truth: bool = False


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An incident; `resolved_at` is None while it is open. Instants are UTC.

    `document` is the detail as it is stored; it is read when `detail` is first asked for.
    """

    incident_id: int
    kind: str
    subject: str
    severity: str
    summary: str
    document: Mapping[str, Any] = field(repr=False)
    opened_at: datetime
    opened_by: str
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None

    @cached_property
    def detail(self) -> IncidentDetail:
        """The days, what it means, the evidence, what to do; raises `PermanentError` where this
        code cannot read it.
        """
        return read_document(IncidentDetail, self.document, what=f"incident {self.incident_id}")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "incident_id": self.incident_id,
            "kind": self.kind,
            "subject": self.subject,
            "severity": self.severity,
            "summary": self.summary,
            "detail": dict(self.document),
            "opened_at": self.opened_at.isoformat(),
            "opened_by": self.opened_by,
            "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None,
            "resolved_by": self.resolved_by,
            "resolution": self.resolution,
        }


Event = Literal["opened", "escalated", "resolved", "seen"]
_DAYS, _SOURCES = "days", "sources"


class IncidentLedger(OutboxLedger):
    """The incidents of a use case, and the messages that tell of them."""

    def report_incident(
        self, new: NewIncident, *, at: datetime, actor: str, channels: Collection[str] = ()
    ) -> tuple[Incident, Event]:
        """Open an incident, or say once more that it goes on: of a cause there is one, whatever
        reports it.

        One that is open takes the newer summary and detail, keeps the graver severity, and gathers
        the `days` and `sources` (lists) of every report. What is new to people (`opened`,
        `escalated`) is put into the outbox of each of `channels`, in the same transaction.
        """
        with self._writing() as connection:
            return self._report(connection, new, at=at, actor=actor, channels=channels)

    def settle_incident(
        self,
        kind: str,
        subject: str,
        *,
        resolution: str,
        at: datetime,
        actor: str,
        channels: Collection[str] = (),
    ) -> bool:
        """Close the open incident of that kind and subject and tell so; False where none is
        open.
        """
        with self._writing() as connection:
            row = (
                connection.execute(self._open_one(kind, subject).with_for_update())
                .mappings()
                .one_or_none()
            )
            if row is None:
                return False
            ends = {"resolved_at": as_text(at), "resolved_by": actor, "resolution": resolution}
            connection.execute(incidents.update().where(incidents.c.id == row["id"]).values(**ends))
            closed = _incident({**row, **ends})
            self._tell(connection, "resolved", closed.incident_id, closed.to_json(), channels, at)
        return True

    def _report(
        self,
        connection: sa.Connection,
        new: NewIncident,
        *,
        at: datetime,
        actor: str,
        channels: Collection[str],
    ) -> tuple[Incident, Event]:
        """`report_incident` within the caller's transaction."""
        event: Event | None = None
        while (
            event is None
        ):  # an incident that is open when we ask may be settled by another before we hold its row
            opened = (
                connection.execute(self._opening(connection.dialect.name, new, actor, at)).rowcount
                == 1
            )
            event = "opened" if opened else self._goes_on(connection, new)
        row = connection.execute(self._open_one(new.kind, new.subject)).mappings().one()
        incident = _incident(row)
        if event != "seen":
            self._tell(connection, event, incident.incident_id, incident.to_json(), channels, at)
        return incident, event

    def _goes_on(self, connection: sa.Connection, new: NewIncident) -> Event | None:
        """Add to the open incident; None where none is open any more."""
        row = (
            connection.execute(self._open_one(new.kind, new.subject).with_for_update())
            .mappings()
            .one_or_none()
        )
        if row is None:
            return None
        graver = new.severity == "critical" and row["severity"] != "critical"
        earlier, newer = row["detail"], new.detail.to_stored()
        detail = {**earlier, **newer}
        for name in () if new.whole_truth else (_DAYS, _SOURCES):
            every = [*earlier.get(name, ()), *newer.get(name, ())]
            if every:
                detail[name] = sorted(dict.fromkeys(every))
        if detail.get(_DAYS):
            detail["first_day"] = detail[_DAYS][0]
        values = {
            "detail": detail,
            "summary": new.summary,
            "severity": "critical" if graver else row["severity"],
        }
        connection.execute(incidents.update().where(incidents.c.id == row["id"]).values(**values))
        return "escalated" if graver else "seen"

    def _open_one(self, kind: str, subject: str) -> sa.Select[Any]:
        return sa.select(incidents).where(
            incidents.c.use_case == self.use_case,
            incidents.c.kind == kind,
            incidents.c.subject == subject,
            incidents.c.resolved_at.is_(None),
        )

    def incidents(self, *, open_only: bool = False) -> list[Incident]:
        """All incidents, oldest first."""
        query = sa.select(incidents).where(incidents.c.use_case == self.use_case)
        if open_only:
            query = query.where(incidents.c.resolved_at.is_(None))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(incidents.c.id)).mappings().all()
        return [_incident(row) for row in rows]

    def _opening(self, dialect: str, new: NewIncident, actor: str, at: datetime) -> sa.Insert:
        """Insert the incident unless one of its kind and subject is open: the table's index says
        so.
        """
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        row = insert(incidents).values(
            use_case=self.use_case,
            kind=new.kind,
            subject=new.subject,
            severity=new.severity,
            summary=new.summary,
            detail=new.detail.to_stored(),
            opened_at=as_text(at),
            opened_by=actor,
        )
        return row.on_conflict_do_nothing()


def _incident(row: sa.RowMapping | dict[str, Any]) -> Incident:
    resolved = row["resolved_at"]
    return Incident(
        incident_id=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        severity=row["severity"],
        summary=row["summary"],
        document=row["detail"],
        opened_by=row["opened_by"],
        opened_at=datetime.fromisoformat(row["opened_at"]),
        resolved_at=datetime.fromisoformat(resolved) if resolved else None,
        resolved_by=row["resolved_by"],
        resolution=row["resolution"],
    )
