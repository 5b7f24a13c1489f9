"""Leases in the ledger: who may write to something now, until when, and the how-manyth holder that
is.

One row for each name, moved by compare-and-swap. The database's own clock decides what has expired,
so that machines whose clocks differ agree. The token grows with every holder: of two that think
they hold a lease, the larger one does.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from pipelines.ledger.store import LedgerStore
from pipelines.ledger.tables import leases

CLOCK_TOLERANCE_SECONDS = 5.0
"""How far beyond its length a lease may lie ahead before the clock is taken to have gone back."""


@dataclass(frozen=True)
class Lease:
    """A lease as the ledger has it: `seconds` until it expires (0 or less: it has)."""

    name: str
    token: int
    holder: str
    seconds: float


class LeaseLedger(LedgerStore):
    """Taking, renewing and giving back; each is one statement.

    Raises `StoreError` where the database is away.
    """

    def take_lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        """The lease, if nobody holds it: with a token that nobody had before.

        None where it is held.
        """
        now = self._now()
        free = leases.update().where(leases.c.name == name, leases.c.expires_at <= now)
        taken = free.values(
            token=leases.c.token + 1, holder=holder, expires_at=now + seconds
        ).returning(leases.c.token)
        with self._writing() as connection:
            token = connection.execute(taken).scalar()
        if token is None and not self._made(name, holder, seconds):
            self._shorten(name, seconds)
            return None
        return Lease(name, int(token or 1), holder, seconds)

    def _shorten(self, name: str, seconds: float) -> None:
        """Let a lease that lies further ahead than any lease is taken for expire like a fresh one.

        It was taken before the database's clock went back; a dead holder would keep the others
        waiting for as long as the clock went back. A living holder renews it in time.
        """
        limit = self._now() + seconds + CLOCK_TOLERANCE_SECONDS
        with self._writing() as connection:
            too_far = leases.update().where(leases.c.name == name, leases.c.expires_at > limit)
            connection.execute(too_far.values(expires_at=self._now() + seconds))

    def renew_lease(self, lease: Lease, seconds: float) -> bool:
        """Hold it for `seconds` from now; False where another has taken it."""
        ours = (leases.c.name == lease.name, leases.c.token == lease.token)
        with self._writing() as connection:
            renewed = leases.update().where(*ours).values(expires_at=self._now() + seconds)
            return connection.execute(renewed).rowcount == 1

    def give_lease(self, lease: Lease) -> None:
        """Let the next one have it; nothing happens where another has taken it already."""
        self.renew_lease(lease, 0)

    def lease(self, name: str) -> Lease | None:
        """Who held it last, whether it has expired or not; None where nobody ever did."""
        left = (leases.c.expires_at - self._now()).label("left")
        with self._reading() as connection:
            row = (
                connection.execute(sa.select(leases, left).where(leases.c.name == name))
                .mappings()
                .first()
            )
        return Lease(name, row["token"], row["holder"], float(row["left"])) if row else None

    def _made(self, name: str, holder: str, seconds: float) -> bool:
        """Make the row; another may have been faster, or hold it."""
        row = leases.insert().values(
            name=name, token=1, holder=holder, expires_at=self._now() + seconds
        )
        try:
            with self._writing() as connection:
                connection.execute(row)
        except sa.exc.IntegrityError:
            return False
        return True

    def _now(self) -> sa.ColumnElement[float]:
        """Seconds since 1970 by the database's clock."""
        if self._engine.dialect.name == "sqlite":
            return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double())
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double())
