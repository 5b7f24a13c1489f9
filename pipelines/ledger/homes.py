"""What the ledger knows of homes: each registration, adoption and move, so that a second home on
one ledger is noticed.

Rows of the audit table, kind `home`, whose subject is the identity. The newest says whose ledger it
is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from pipelines.accounts.audit import AuditEntry, HomeDetail
from pipelines.base.errors import ConfigurationError, StoreError, TollgateError
from pipelines.base.home import RUNBOOK, Home, address_digest, stores_outside, write_home
from pipelines.base.settings import Settings
from pipelines.ledger.store import LedgerStore, as_text, audit_entry
from pipelines.ledger.tables import audit, outbox

WITHDRAWN = "withdrawn: it belongs to the home that this one was copied from"


class HomeLedger(LedgerStore):
    """Homes in the ledger, of all use cases together."""

    def homes(self) -> list[AuditEntry[HomeDetail]]:
        """Every entry about a home, oldest first, of all use cases; the subject is the identity."""
        query = sa.select(audit).where(audit.c.kind == HomeDetail.KIND).order_by(audit.c.id)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [audit_entry(row, HomeDetail) for row in rows]

    def owner(self) -> str | None:
        """The identity of the home whose ledger this is, None where none was recorded."""
        entries = self.homes()
        return entries[-1].subject if entries else None

    def record_home(self, home: Home, event: str, *, actor: str, at: datetime) -> None:
        """Append that this is the home's ledger from now on; nothing where it is already."""
        if self.owner() == home.home_id and event == "registered":
            return
        detail = HomeDetail(event=event, path=str(home.path), copied_from=home.copied_from)
        self.audit(home.home_id, detail, actor=actor, at=at)

    def withdraw_messages(self, *, at: datetime) -> int:
        """Notices that wait are not sent any more: another home sends its own.

        Returns how many there were.
        """
        with self._writing() as connection:
            waiting = outbox.update().where(outbox.c.sent_at.is_(None))
            return connection.execute(
                waiting.values(sent_at=as_text(at), last_error=WITHDRAWN)
            ).rowcount


def ledger_exists(settings: Settings) -> bool:
    """Whether there is a ledger to ask; one in a file is not made by asking."""
    return (
        not settings.ledger.startswith("sqlite:///")
        or Path(settings.ledger.removeprefix("sqlite:///")).is_file()
    )


def require_own_ledger(settings: Settings, home: Home, *, actor: str) -> None:
    """Record the home in its ledger; raises `ConfigurationError` where a ledger outside it belongs
    to another home.

    A ledger that does not answer is left to the command that needs it.
    """
    digest = address_digest(settings.ledger) if "ledger" in stores_outside(settings) else "within"
    recorded = digest in home.ledgers
    if (recorded and digest == "within") or not ledger_exists(settings):
        return
    try:
        ledger = HomeLedger(settings.ledger, settings.use_case)
        owner = ledger.owner()
        if owner is None or (digest == "within" and owner != home.home_id):
            ledger.record_home(home, "registered", actor=actor, at=datetime.now(UTC))
            owner = home.home_id
    except TollgateError:
        return
    if owner != home.home_id:
        raise _ledger_of_another(settings, ledger, home)
    if not recorded:
        with suppress(StoreError):
            write_home(settings.home, replace(home, ledgers=(*home.ledgers, digest)))


def _ledger_of_another(settings: Settings, ledger: HomeLedger, home: Home) -> ConfigurationError:
    newest = ledger.homes()[-1]
    return ConfigurationError(
        "the ledger belongs to another home; nothing was done",
        where=ledger.where,
        expected=f"the ledger of home {home.short_id} at {settings.home}",
        found=(f"that of home {newest.subject[:12]} at {newest.detail.path or 'an unknown place'}"),
        next_step=(
            "let TOLLGATE_LEDGER name a ledger of this home's own; "
            "where that other home is lost for good, `tollgate home adopt --moved` takes its place"
        ),
        runbook=RUNBOOK,
    )
