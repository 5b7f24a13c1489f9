"""`tollgate promote` and `rollback` typed while MLflow is away: the ledger decides, the alias
follows when it can.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.releases.promotion import promote
from pipelines.run import Run
from pipelines.usecases.fraud import USE_CASE
from tests.cli.test_undo import LINEAGE
from tests.pipelines.releases.bundles import stored_release
from tests.ports import free_ports

pytestmark = pytest.mark.slow

TOLLGATE = str(Path(sys.executable).parent / "tollgate")


@pytest.fixture
def run(settings: Settings) -> Run:
    """A home whose MLflow is a server that is not there."""
    away = f"http://127.0.0.1:{free_ports(1)[0]}"
    return Run(
        Settings.build(**{**settings.model_dump(exclude_none=True), "mlflow": away}),
        USE_CASE,
        actor="test",
    )


def _typed(run: Run, *arguments: str) -> Any:
    """What the command prints as JSON; it has to end with 0."""
    done = subprocess.run(
        [TOLLGATE, *arguments, "--json"],
        env={**os.environ, **run.settings.environment()},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def _alias_incident(run: Run, *, patience: float = 120) -> str:
    """What the incident of the alias says, once a process that follows has given up."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for incident in run.ledger.incidents(open_only=True):
            if incident.kind == "alias":
                return incident.summary
        time.sleep(0.5)
    raise AssertionError(f"no incident within {patience:.0f} s: {run.ledger.incidents()}")


@pytest.mark.guarantee(
    "MLflow down",
    fault="promote and rollback are typed while MLflow's server is away",
    seen="moved at once; the incident says what is behind",
)
def test_moves_are_made_at_once_and_what_is_behind_is_told(run: Run) -> None:
    first, second = (
        stored_release(run, seed, "approved", more=LINEAGE).release_id for seed in (1, 2)
    )
    promote(run, first, reason="first")
    assert (
        _typed(run, "promote", second, "--to", "champion", "--override", "--reason", "r")["state"]
        == "champion"
    )
    assert f"does not name {second} yet" in _alias_incident(run)
    assert _typed(run, "rollback", "--reason", "nonsense")["release"] == first
    pointer = run.ledger.champion()
    assert pointer is not None
    assert pointer.release_id == first
    assert _typed(run, "which")["release"] == first
