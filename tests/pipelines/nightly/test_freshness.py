"""Which days are stale: told from the ledger alone, to the day, whatever the order of the
records.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import pytest

from pipelines.base.settings import Settings
from pipelines.nightly.freshness import stale_days
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import features_account, ingest_account
from tests.conftest import NOW

DAY = date(2026, 6, 1)


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="r", clock=lambda: NOW)


def after(days: int) -> date:
    return DAY + timedelta(days=days)


def ingested(
    run: Run, landed: date, changed: Iterable[date], transactions: int, reports: int = 0
) -> None:
    versions = {"transactions": transactions, "fraud_reports": reports, "quarantine": 99}
    account = ingest_account(changed_days=tuple(changed), versions=versions)
    run.ledger.record_stage(landed, account, "done", run_id="i", at=NOW)


def built(
    run: Run, days: Iterable[date], transactions: int, reports: int = 0, **changes: str
) -> None:
    inputs = {"transactions": transactions, "fraud_reports": reports}
    members = {"feature_digest": run.use_case.stored_features.digest, **changes}
    account = features_account(inputs=inputs, **members)
    run.ledger.record_stages(dict.fromkeys(days, account), "done", run_id="f", at=NOW)


def test_a_change_reaches_37_days_and_no_further(run: Run) -> None:
    built(run, [after(n) for n in range(-1, 40)], transactions=1)
    ingested(run, after(41), [DAY], transactions=2)
    assert list(stale_days(run)) == [after(n) for n in range(38)]


def test_the_reason_names_the_change_and_the_files(run: Run) -> None:
    built(run, [DAY], transactions=1)
    ingested(run, after(3), [DAY], transactions=2)
    assert stale_days(run) == {DAY: f"{DAY} changed when the files of {after(3)} were ingested"}


def test_days_in_order_are_never_stale(run: Run) -> None:
    for n in range(5):
        ingested(run, after(n), [after(n)], transactions=n, reports=n)
        built(run, [after(n)], transactions=n, reports=n)
    assert stale_days(run) == {}


def test_a_build_that_read_the_old_table_is_stale_though_it_was_recorded_later(run: Run) -> None:
    ingested(run, after(1), [DAY], transactions=2)
    built(run, [DAY], transactions=1)
    assert list(stale_days(run)) == [DAY]


def test_a_build_that_read_the_new_table_is_fresh_though_it_was_recorded_earlier(run: Run) -> None:
    built(run, [DAY], transactions=2)
    ingested(run, after(1), [DAY], transactions=2)
    assert stale_days(run) == {}


def test_a_late_report_counts_like_a_late_event(run: Run) -> None:
    built(run, [DAY], transactions=1, reports=1)
    ingested(run, after(1), [after(-5)], transactions=1, reports=2)
    assert list(stale_days(run)) == [DAY]


def test_days_never_built_and_days_built_again_are_not_stale(run: Run) -> None:
    built(run, [DAY], transactions=1)
    ingested(run, after(5), [DAY], transactions=2)
    built(run, [DAY], transactions=2)
    assert stale_days(run) == {}


def test_a_refused_build_does_not_cure(run: Run) -> None:
    built(run, [DAY], transactions=1)
    ingested(run, after(5), [DAY], transactions=2)
    run.ledger.record_stage(DAY, features_account(reason="gate"), "refused", run_id="f", at=NOW)
    assert list(stale_days(run)) == [DAY]


def test_other_definitions_are_stale(run: Run) -> None:
    built(run, [DAY], transactions=1, feature_digest="of another set")
    assert "other definitions" in stale_days(run)[DAY]
