"""The night looks at its stores: one that came back empty or older has an incident, which closes
when it is right.
"""

from __future__ import annotations

from itertools import chain

from pipelines.accounts.incident import IncidentDetail
from pipelines.alerting.incidents import deliver, report, settle
from pipelines.ledger.ledger import NewIncident
from pipelines.releases.alias import follow
from pipelines.run import Run
from pipelines.stores.checks import LOST, RUNBOOK, LostStore, look_at_stores, note_ledger


def watch_stores(run: Run) -> tuple[LostStore, ...]:
    """Open, go on with, or close the incidents of lost stores; returns those that are lost.

    MLflow's alias is put right at once where it names another model than the champion. How far the
    ledger has come is noted outside it. A store that does not answer closes no incident.
    """
    look = look_at_stores(run)
    if any(store.alias_is_wrong for store in look.lost):
        follow(run)
        look = look_at_stores(run)
    for store in dict.fromkeys(store.store for store in look.lost):
        report(
            run, _incident([lost_store for lost_store in look.lost if lost_store.store == store])
        )
    wrong = {store.store for store in look.lost} | set(look.silent)
    for incident in run.ledger.incidents(open_only=True):
        if incident.kind == LOST and incident.subject not in wrong:
            settle(run, incident, "the store holds what the ledger expects")
    deliver(run)
    note_ledger(run)
    return look.lost


def _incident(lost_stores: list[LostStore]) -> NewIncident:
    """One incident for all that is wrong with a store."""
    first = lost_stores[0]
    detail = IncidentDetail(
        by="stores",
        sources=("stores",),
        consequence=first.consequence,
        evidence=tuple(chain.from_iterable(store.evidence for store in lost_stores)),
        next_step=first.next_step,
        runbook=RUNBOOK,
    )
    summary = "; ".join(store.summary for store in lost_stores)
    return NewIncident(
        kind=LOST, subject=first.store, severity="critical", summary=summary, detail=detail
    )
