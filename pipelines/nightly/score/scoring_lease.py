"""One scoring at a time: predictions, alerts, alert file and account of a day are by one and the
same call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.ledger.lease_holder import Leases, holder_name
from pipelines.ledger.leases import LeaseLedger
from pipelines.run import Run


@contextmanager
def one_scoring(run: Run) -> Iterator[None]:
    """Hold the use case's scoring lease. The champion is to be read while it is held.

    A person who puts a release back types `tollgate run score` while the night may still be
    scoring. The later of the two calls then waits, reads the pointer as it is by then, and replaces
    the day whole. Raises `TransientError` where the other call does not end in time, or where the
    lease was lost meanwhile.
    """
    ledger = LeaseLedger(run.settings.ledger, run.use_case.name)
    leases = Leases(ledger=ledger, holder=holder_name(run.run_id))
    with leases.held(f"scoring of {run.use_case.name}", stop=lambda: None):
        yield
