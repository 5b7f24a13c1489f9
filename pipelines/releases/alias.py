"""MLflow's alias follows the ledger's pointer: at once where there is time, in a process of its own
where there is not.

The ledger decides and nobody waits for MLflow (its import alone takes seconds). Where the alias
cannot follow, an incident says so, which is resolved when it does.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.accounts.incident import IncidentDetail
from pipelines.alerting.incidents import deliver, report, settle
from pipelines.base.errors import StoreError
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.ledger.ledger import NewIncident, Pointer
from pipelines.run import Run
from pipelines.stores.checks import LOST, RUNBOOK, note_ledger

if TYPE_CHECKING:
    from pipelines.mlflow.tracking import Tracking

LOGGER = logging.getLogger(__name__)
KIND, SUBJECT = "alias", "mlflow"
REPAIR = "tollgate repair mlflow"
_SQLITE = "sqlite:///"


def follow(run: Run) -> tuple[str, ...]:
    """Let MLflow's alias follow the ledger's pointer; where it cannot, warnings and an incident,
    never an error.

    The version is found by what it is, a release and the digest of its model, never by its number:
    numbers begin anew where MLflow's database was lost. Where MLflow does not know the champion,
    the alias names nothing.
    """
    from pipelines.mlflow.tracking import Tracking

    note_ledger(run)
    tracking = Tracking(run.settings, run.use_case.name)
    pointer = run.ledger.champion()
    try:
        while True:
            missing = _mirror(run, tracking, pointer)
            mirrored, pointer = pointer, run.ledger.champion()
            if mirrored == pointer:  # nobody has moved it meanwhile
                break
    except StoreError as error:
        if pointer is None:
            return ()
        LOGGER.warning("the alias in MLflow does not follow the ledger yet: %s", error)
        text = (
            f"MLflow's alias does not name {pointer.release_id} yet; the next training or promotion"
            " puts it right"
        )
        return _report(
            run, KIND, text, evidence=f"{error.what}: {error.found}", next_step="tollgate doctor"
        )
    if missing:
        text = f"MLflow does not know the champion {missing}: its alias names nothing until it does"
        evidence = "no version bears the release and the digest of its model"
        return _report(run, LOST, text, evidence=evidence, next_step=REPAIR)
    for incident in run.ledger.incidents(open_only=True):
        if (incident.kind, incident.subject) == (KIND, SUBJECT):
            settle(run, incident, "the alias follows")
            deliver(run)
    return ()


def _mirror(run: Run, tracking: Tracking, pointer: Pointer | None) -> str | None:
    """Let the alias name the champion's version, or nothing; returns the champion where MLflow does
    not know it.
    """
    named, wanted = tracking.champion_version(), None
    if pointer is not None:
        digest = run.ledger.release(pointer.release_id).account.model_digest
        wanted = tracking.registered(pointer.release_id, digest or None)
    if wanted is None:
        if named is not None:
            tracking.forget_champion()
        return pointer.release_id if pointer else None
    if named != wanted.version:
        tracking.mirror_champion(wanted.version)
    return None


def _report(run: Run, kind: str, text: str, *, evidence: str, next_step: str) -> tuple[str, ...]:
    """Open the incident of the alias, or go on with it; returns what it says, as a warning."""
    detail = IncidentDetail(
        sources=("release",),
        consequence=(
            "MLflow shows an older champion or none; the ledger decides, and scoring does not ask"
            " MLflow"
        ),
        evidence=(evidence,),
        next_step=next_step,
        runbook=RUNBOOK,
    )
    report(
        run,
        NewIncident(kind=kind, subject=SUBJECT, severity="warning", summary=text, detail=detail),
    )
    deliver(run)
    return (text,)


def follow_later(settings: Settings) -> bool:
    """Start a process that lets the alias follow, and do not wait for it; False where there is no
    MLflow to follow.
    """
    if (
        settings.mlflow.startswith(_SQLITE)
        and not Path(settings.mlflow.removeprefix(_SQLITE)).exists()
    ):
        return False
    subprocess.Popen(
        [sys.executable, "-m", "pipelines.releases.alias"],
        env={**os.environ, **settings.environment()},
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return True


if __name__ == "__main__":
    from pipelines.usecases.registry import load

    _settings = Settings.from_environment()
    follow(Run(_settings, load(_settings.use_case), actor="alias"))
