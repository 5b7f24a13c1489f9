"""What a stage costs is kept; a ledger that does not take it fails nothing that was made."""

from __future__ import annotations

import sqlite3
import time
from datetime import date

import pytest

from pipelines.platform.settings import Settings
from pipelines.run import Run
from pipelines.stages.metering import STAGE, metered
from pipelines.stages.result import StageResult
from pipelines.usecases.registry import load
from tests.conftest import NOW

DAY = date(2026, 11, 19)


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="test-run", actor="test", clock=lambda: NOW)


def test_rows_and_seconds_are_kept(run: Run) -> None:
    result = StageResult(stage="features", days=None, accounts={DAY: {"rows": 3}}, versions={})  # type: ignore[arg-type]

    def work() -> StageResult:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
        return result

    assert metered(run, "asked", DAY, work) is result
    kept = run.ledger.latest(STAGE)[DAY].payload
    assert (kept["stage"], kept["rows"]) == ("features", 3)
    assert 0.01 <= kept["cpu_seconds"] <= kept["wall_seconds"] + 0.01


def test_a_ledger_that_does_not_take_them_fails_nothing(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    assert run.ledger.champion() is None

    def work() -> str:
        with sqlite3.connect(run.settings.home / "ledger.sqlite") as ledger:
            ledger.execute("DROP TABLE stage_records")
        return "made"

    assert metered(run, "train", DAY, work) == "made"
    assert "what train cost on 2026-11-19 is not recorded" in caplog.text
