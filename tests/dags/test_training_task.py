"""The training's task in a home that is too young: skipped, so that no failure is reported and
nobody is called.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

import pipelines.training.stage as stage
from pipelines.base.errors import PermanentError, TooEarlyError
from pipelines.base.settings import Settings
from pipelines.run import Run
from pipelines.usecases.registry import load
from plugins.tollgate_airflow import training

CONTEXT: dict[str, Any] = {
    "dag_run": SimpleNamespace(partition_key="2026-11-07"),
    "triggering_asset_events": {},
    "params": {"reason": "weekly"},
}


@pytest.mark.parametrize(
    "error", [TooEarlyError("too early", found="a young home"), PermanentError("a day is missing")]
)
def test_only_a_home_that_is_too_young_skips_its_training(
    error: PermanentError, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: Any, **_named: Any) -> None:
        raise error

    monkeypatch.setattr(stage, "train", fails)
    monkeypatch.setattr(
        training, "run_of", lambda *_: Run(settings, load("fraud"), run_id="test", actor="test")
    )
    expected = AirflowSkipException if isinstance(error, TooEarlyError) else PermanentError
    with pytest.raises(
        expected, match="too early: a young home" if expected is AirflowSkipException else "missing"
    ):
        training.train_for("fraud", CONTEXT, None)  # type: ignore[arg-type]
