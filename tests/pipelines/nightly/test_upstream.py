"""How days stand with a stage, from the ledger alone: done, refused, failed, withdrawn."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.base.settings import Settings
from pipelines.nightly.upstream import settled_days
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.conftest import NOW

DAY = date(2026, 6, 1)
DAYS = [DAY + timedelta(days=n) for n in range(5)]


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="r", clock=lambda: NOW)


def record(run: Run, day: date, *statuses: str) -> None:
    for status in statuses:
        run.ledger.record_stage(day, IngestAccount(), status, run_id="r", at=NOW)


def test_a_refused_correction_leaves_the_rows_that_were_there(run: Run) -> None:
    record(run, DAYS[0], "done", "refused")
    record(run, DAYS[1], "refused")
    record(run, DAYS[2], "refused", "done")
    standing = settled_days(run, IngestAccount, DAYS[0], DAYS[-1])
    assert standing.lacking(DAYS) == [DAYS[1], DAYS[3], DAYS[4]]
    assert standing.refused(DAYS) == [DAYS[0], DAYS[1]]


def test_an_attempt_that_failed_changes_nothing(run: Run) -> None:
    record(run, DAYS[0], "done", "failed")
    record(run, DAYS[1], "failed")
    record(run, DAYS[2], "refused", "failed")
    standing = settled_days(run, IngestAccount)
    assert standing.lacking(DAYS[:3]) == [DAYS[1], DAYS[2]]
    assert standing.refused(DAYS) == [DAYS[2]]


def test_a_withdrawn_day_is_not_there_until_it_is_done_again(run: Run) -> None:
    record(run, DAYS[0], "done", "withdrawn")
    record(run, DAYS[1], "done", "withdrawn", "done")
    assert settled_days(run, IngestAccount).lacking(DAYS[:2]) == [DAYS[0]]


def test_only_the_stage_and_the_days_asked_for_count(run: Run) -> None:
    record(run, DAYS[0], "done")
    record(run, DAYS[3], "done")
    assert settled_days(run, IngestAccount, DAYS[1], DAYS[4]).accepted == {DAYS[3]}
    assert settled_days(run, FeaturesAccount).accepted == frozenset()
