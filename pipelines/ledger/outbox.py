"""The outbox: messages that are to be sent, kept until a receiver has taken them.

Nothing in it is ever lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipelines.ledger.store import LedgerStore, as_text
from pipelines.ledger.tables import outbox

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message for `channel`; `body` is the incident as it was at `event` (opened, escalated,
    resolved). UTC.
    """

    message_id: int
    channel: str
    event: str
    incident_id: int
    body: Mapping[str, Any]
    created_at: datetime
    attempts: int
    last_error: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain data, the body left out."""
        plain = {name: value for name, value in vars(self).items() if name != "body"}
        return {
            **plain,
            "created_at": self.created_at.isoformat(),
            "summary": self.body.get("summary", ""),
        }


class OutboxLedger(LedgerStore):
    """The messages of a use case."""

    def waiting_messages(self, *, due: datetime | None = None) -> list[Message]:
        """Messages that nobody has taken yet, oldest first; with `due` those whose next attempt has
        come by then.

        An attempt that lies further ahead than any wait was set by a clock that has gone back
        since: it is due.
        """
        query = sa.select(outbox).where(
            outbox.c.use_case == self.use_case, outbox.c.sent_at.is_(None)
        )
        if due is not None:
            has_come = outbox.c.next_attempt_at <= as_text(due)
            clock_went_back = outbox.c.next_attempt_at > as_text(due + LONGEST_WAIT)
            query = query.where(sa.or_(has_come, clock_went_back))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(outbox.c.id)).mappings().all()
        return [
            Message(
                message_id=row["id"],
                created_at=datetime.fromisoformat(row["created_at"]),
                **{
                    n: row[n]
                    for n in ("channel", "event", "incident_id", "body", "attempts", "last_error")
                },
            )
            for row in rows
        ]

    def message_sent(self, message: Message, *, at: datetime) -> None:
        """The receiver has taken it."""
        with self._writing() as connection:
            sent = outbox.update().where(outbox.c.id == message.message_id)
            connection.execute(
                sent.values(sent_at=as_text(at), attempts=message.attempts + 1, last_error=None)
            )

    def message_failed(self, message: Message, *, error: str, at: datetime) -> None:
        """The receiver has not: the next attempt comes later, each time twice as long, an hour at
        most.
        """
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(message.attempts, 10))
        with self._writing() as connection:
            failed = outbox.update().where(outbox.c.id == message.message_id)
            values = {
                "attempts": message.attempts + 1,
                "last_error": error,
                "next_attempt_at": as_text(at + wait),
            }
            connection.execute(failed.values(**values))

    def _tell(
        self,
        connection: sa.Connection,
        event: str,
        incident_id: int,
        body: Mapping[str, Any],
        channels: Collection[str],
        at: datetime,
    ) -> None:
        """Put a message for each channel into the outbox, in the caller's transaction."""
        rows = [
            {
                "use_case": self.use_case,
                "channel": channel,
                "event": event,
                "incident_id": incident_id,
                "body": dict(body),
                "created_at": as_text(at),
                "attempts": 0,
                "next_attempt_at": as_text(at),
            }
            for channel in channels
        ]
        if rows:
            connection.execute(outbox.insert(), rows)
