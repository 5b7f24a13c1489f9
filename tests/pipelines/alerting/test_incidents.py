"""Incidents of releases whose time is over: a ledger that does not take their end undoes no
promotion.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from pipelines.alerting.incidents import settle_superseded
from pipelines.base.settings import Settings
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import release_account
from tests.conftest import NOW
from tests.servers import new_database


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_ledger_that_refuses_is_told_and_no_more(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
    database: str,
) -> None:
    if database == "postgresql":
        url = new_database(request.getfixturevalue("postgresql_server"))
        settings = settings.model_copy(update={"ledger": url})
    run = Run(settings, load("fraud"), run_id="test-run", actor="test", clock=lambda: NOW)
    run.ledger.add_release("later", release_account(), at=NOW)
    with sa.create_engine(settings.ledger).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE incidents RENAME TO elsewhere")
    settle_superseded(run, "later")
    assert "an incident of an earlier release stays open" in caplog.text
