"""How far the online store is: the watermark in the ledger, and the store that it speaks of.

The stage `materialize` moves the watermark; the scorer, parity and erasure read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from pipelines.accounts.materialize import MaterializeAccount
from pipelines.ledger.ledger import Ledger
from pipelines.online.address import OnlineAddress
from pipelines.online.store import OnlineStore
from pipelines.run import Run

STAGE = MaterializeAccount.STAGE


@dataclass(frozen=True)
class Watermark:
    """The last day that the online store holds, and when those states were built (UTC, whole
    seconds).
    """

    day: date
    built_at: datetime


def watermark(ledger: Ledger) -> Watermark | None:
    """Where the online store stands, or None before the first complete materialisation."""
    done = [
        record for record in ledger.stage_records(MaterializeAccount) if record.status == "done"
    ]
    if not done:
        return None
    newest = done[-1].account
    if newest.watermark is None or newest.built_at is None:
        return None
    return Watermark(newest.watermark, newest.built_at)


def online_store(run: Run, *, reading_only: bool = False) -> OnlineStore:
    """The use case's online store, where the settings place it."""
    use_case = run.use_case
    return OnlineStore(
        OnlineAddress.of(run.settings),
        None if reading_only else run.lake,
        project=use_case.name,
        owner=use_case.owner,
        stored=use_case.stored_features,
        feature_sets=use_case.feature_sets.values(),
    )
