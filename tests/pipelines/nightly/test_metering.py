"""What a stage costs is kept; a ledger that does not take it fails nothing that was made."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from pipelines.base.settings import Settings
from pipelines.nightly.metering import STAGE, metered
from pipelines.nightly.result import StageResult
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import features_account
from tests.conftest import NOW
from tests.servers import new_database

DAY = date(2026, 11, 19)


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="test-run", actor="test", clock=lambda: NOW)


def test_rows_and_seconds_are_kept(run: Run) -> None:
    result = StageResult(
        stage="features", days=None, accounts={DAY: features_account(rows=3)}, versions={}
    )  # type: ignore[arg-type]

    def work() -> StageResult:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return result

    assert metered(run, "asked", DAY, work) is result
    kept = run.ledger.latest(STAGE)[DAY].account.to_json()
    assert (kept["stage"], kept["rows"]) == ("features", 3)
    assert min(kept["cpu_seconds"], kept["wall_seconds"]) >= 0.02


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_ledger_that_does_not_take_them_fails_nothing(
    run: Run, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest, database: str
) -> None:
    """SQLite says that it cannot (it is away), PostgreSQL that it may not: both are told and no
    more.
    """
    if database == "postgresql":
        url = new_database(request.getfixturevalue("postgresql_server"))
        run = replace(run, settings=run.settings.model_copy(update={"ledger": url}))
    assert run.ledger.champion() is None

    def work() -> str:
        with sa.create_engine(run.settings.ledger).begin() as connection:
            connection.exec_driver_sql("DROP TABLE stage_records")
        return "made"

    assert metered(run, "train", DAY, work) == "made"
    assert "what train cost on 2026-11-19 is not recorded" in caplog.text
