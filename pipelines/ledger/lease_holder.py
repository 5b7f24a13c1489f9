"""One writer at a time: a lease is taken, renewed while its holder writes, and given back; one that
is lost ends it.

After the lease with fencing token of Gray and Cheriton (1989) and Kleppmann, *Designing
Data-Intensive Applications*, chapter 8. A holder that dies lets go when its lease expires.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pipelines.base.errors import TollgateError, TransientError
from pipelines.ledger.leases import Lease, LeaseLedger

LOGGER = logging.getLogger(__name__)
SECONDS = 60.0
"""How long a lease holds without being renewed: a holder that was killed keeps the others waiting
for so long.
"""
PATIENCE = 300.0
"""How long one waits for a lease; Airflow tries again after that."""
RUNBOOK = "docs/runbooks/lease.md"


def holder_name(run_id: str) -> str:
    """Who holds a lease, for people: the run, the machine, the process."""
    return f"run {run_id} on {socket.gethostname()}, process {os.getpid()}"[:250]


@dataclass(frozen=True, kw_only=True)
class Leases:
    """Leases of one holder.

    `seconds` a lease holds, renewed after a quarter of that; `patience` seconds are waited.
    """

    ledger: LeaseLedger
    holder: str
    seconds: float = SECONDS
    patience: float = PATIENCE

    @contextmanager
    def held(self, name: str, *, stop: Callable[[], object]) -> Iterator[int]:
        """Hold the lease of that name; its token.

        Should it be lost meanwhile, `stop` is called from another thread.

        Raises `TransientError` that names the holder where it is not to be had in time, or where it
        was lost: whatever the body raised then, and also where it raised nothing. Raises
        `StoreError` where the ledger is away.
        """
        lease = self._wait(name)
        done, lost = threading.Event(), threading.Event()
        renewing = threading.Thread(target=self._renew, args=(lease, done, lost, stop), daemon=True)
        renewing.start()
        try:
            yield lease.token
        except Exception as error:
            if lost.is_set():
                raise self._lost(lease) from error
            raise
        finally:
            done.set()
            renewing.join()
            if not lost.is_set():
                with suppress(
                    TollgateError
                ):  # what was written is written; the lease runs out by itself
                    self.ledger.give_lease(lease)
        if lost.is_set():
            raise self._lost(lease)

    def _wait(self, name: str) -> Lease:
        end, pause = time.monotonic() + self.patience, 0.05
        while (lease := self.ledger.take_lease(name, self.holder, self.seconds)) is None:
            if time.monotonic() + pause > end:
                raise self._held_by_another(name)
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        return lease

    def _renew(
        self, lease: Lease, done: threading.Event, lost: threading.Event, stop: Callable[[], object]
    ) -> None:
        held_until = time.monotonic() + self.seconds
        while not done.wait(self.seconds / 4):
            began = time.monotonic()
            try:
                if self.ledger.renew_lease(lease, self.seconds):
                    held_until = began + self.seconds
                    continue
            except Exception as error:  # whatever it is: a lease that is not renewed runs out
                LOGGER.warning("the lease of %s was not renewed: %s", lease.name, error)
                if time.monotonic() < held_until - self.seconds / 4:
                    continue
            lost.set()
            stop()
            return

    def _held_by_another(self, name: str) -> TransientError:
        lease = self.ledger.lease(name)
        return TransientError(
            "another writer holds the table",
            where=name,
            expected=f"its lease within {self.patience:.0f} s",
            found=(
                f"{lease.holder}, holder number {lease.token}, for {max(lease.seconds, 0):.0f} s"
                " more unless renewed"
                if lease
                else "one that has let go by now"
            ),
            next_step=(
                "run the same command again when it is done; a holder that died lets go by itself"
            ),
            runbook=RUNBOOK,
        )

    def _lost(self, lease: Lease) -> TransientError:
        current = None
        with suppress(TollgateError):
            current = self.ledger.lease(lease.name)
        return TransientError(
            "the lease of the table was lost while it was written",
            where=lease.name,
            expected=f"to stay its holder (number {lease.token})",
            found=(
                f"{current.holder}, holder number {current.token}"
                if current
                else "no answer from the ledger"
            ),
            next_step=(
                "run the same command again: days are replaced whole, nothing is written twice"
            ),
            runbook=RUNBOOK,
        )
