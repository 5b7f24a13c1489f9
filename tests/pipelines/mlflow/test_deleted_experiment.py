"""An experiment that somebody deleted in MLflow's UI: told before a training begins, and restored
by the repair.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipelines.base.errors import PermanentError
from pipelines.base.settings import Settings
from pipelines.maintenance.repair_stores import repair_mlflow
from pipelines.mlflow.tables import deleted_experiment
from pipelines.mlflow.tracking import Tracking
from pipelines.run import Run
from pipelines.stores.checks import look_at_stores
from pipelines.training.stage import train
from pipelines.usecases.registry import load

pytestmark = pytest.mark.slow


def test_it_is_told_before_the_training_and_restored(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path / "my home %20 ?#ü")
    run, tracking = Run(settings, load("fraud")), Tracking(settings, "fraud")
    tracking.require_experiment()
    client = tracking._client()
    experiment = tracking._experiment(client)
    tracking.require_experiment()
    client.delete_experiment(experiment)
    assert deleted_experiment(settings.mlflow, "fraud") == experiment
    with pytest.raises(PermanentError) as caught:
        train(run, date(2026, 11, 7))
    message = str(caught.value)
    assert "MLflow's experiment 'fraud' was deleted" in message
    assert "tollgate repair mlflow" in message
    assert "spark" not in run.__dict__, "nothing was computed before"
    (lost,) = [store for store in look_at_stores(run).lost if store.store == "mlflow"]
    assert (lost.next_step, "was deleted" in lost.summary) == ("tollgate repair mlflow", True)
    assert repair_mlflow(run).done == (
        f"the experiment 'fraud' ({experiment}), which was deleted, is restored",
    )
    tracking.require_experiment()
    assert (settings.home / "mlflow.sqlite").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["my home %20 ?#ü"], (
        "nothing stands beside the home"
    )


def test_a_database_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert deleted_experiment(f"sqlite:///{tmp_path}/none.sqlite", "fraud") is None
