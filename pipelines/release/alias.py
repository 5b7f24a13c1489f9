"""MLflow's alias follows the ledger's pointer: at once where there is time, in a process of its own where there is not.

The ledger decides and nobody waits for MLflow (its import alone takes seconds). Where the alias cannot follow, an
incident says so, which is resolved when it does.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from pipelines.incidents import deliver, report, settle
from pipelines.platform.errors import StoreError
from pipelines.platform.ledger import NewIncident
from pipelines.platform.settings import CHECKOUT, Settings
from pipelines.run import Run

LOGGER = logging.getLogger(__name__)
KIND, SUBJECT = "alias", "mlflow"
_SQLITE = "sqlite:///"


def follow(run: Run) -> tuple[str, ...]:
    """Let MLflow's alias follow the ledger's pointer; where it cannot, warnings and an incident, never an error."""
    from pipelines.platform.tracking import Tracking

    pointer = run.ledger.champion()
    if pointer is None:
        return ()
    version = str(run.ledger.release(pointer.release_id).payload["model_version"])
    tracking = Tracking(run.settings, run.use_case.name)
    try:
        if tracking.champion_version() != version:
            tracking.mirror_champion(version)
    except StoreError as error:
        LOGGER.warning("the alias in MLflow does not follow the ledger yet: %s", error)
        told = f"MLflow's alias does not name version {version} yet; the next training or promotion puts it right"
        detail = {
            "sources": ["release"],
            "consequence": "MLflow shows an older champion; the ledger decides, and scoring does not ask MLflow",
            "evidence": [f"{error.what}: {error.found}"],
            "version": version,
            "next_step": "tollgate doctor",
            "runbook": "docs/runbooks/services.md",
        }
        report(run, NewIncident(kind=KIND, subject=SUBJECT, severity="warning", summary=told, detail=detail))
        deliver(run)
        return (told,)
    for one in run.ledger.incidents(open_only=True):
        if (one.kind, one.subject) == (KIND, SUBJECT):
            settle(run, one, "the alias follows")
            deliver(run)
    return ()


def follow_later(settings: Settings) -> bool:
    """Start a process that lets the alias follow, and do not wait for it; False where there is no MLflow to follow."""
    if settings.mlflow.startswith(_SQLITE) and not Path(settings.mlflow.removeprefix(_SQLITE)).exists():
        return False
    subprocess.Popen(
        [sys.executable, "-m", "pipelines.release.alias"],
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
