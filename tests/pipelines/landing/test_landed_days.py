"""Doctor names landed days whose files are gone or changed since they were ingested."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.accounts.audit import DeletionDetail
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from pipelines.run import Run
from pipelines.stores.checks import stores
from pipelines.usecases.registry import load
from tests.accounts import ingest_account

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
DAYS = [date(2026, 11, day) for day in (17, 18, 19)]
FEEDS = ("transactions", "fraud_reports")


@pytest.fixture
def run(settings: Settings) -> Run:
    """A home with three ingested days of two feeds, three rows each."""
    made = Run(settings, load("fraud"), run_id="r", actor="test", clock=lambda: AT)
    for day in DAYS:
        for feed in FEEDS:
            Landing.of(settings, "fraud").write_day(feed, day, [pa.table({"a": [1, 2, 3]})])
        account = ingest_account(feeds={feed: {"rows_in": 3} for feed in FEEDS})
        made.ledger.record_stage(day, account, "done", run_id="r", at=AT)
    return made


def _named(run: Run) -> dict[str, str]:
    """By day what doctor finds different."""
    named = [each.found for each in stores(run.settings) if each.name == "landed day"]
    return {text[:10]: text.partition("ingested: ")[2] for text in named}


def test_days_that_are_as_they_were_ingested_are_not_named(run: Run) -> None:
    assert _named(run) == {}


def test_files_that_are_gone_or_changed_are_named_by_day(run: Run) -> None:
    folders = [Path(run.landing.address) / "transactions" / str(day) for day in DAYS]
    (folders[0] / "_MANIFEST.json").unlink()
    (folders[1] / "part-0.parquet").unlink()
    part = folders[2] / "part-0.parquet"
    part.write_bytes(part.read_bytes() + b"x")
    later = (folders[2] / "_MANIFEST.json").stat().st_mtime_ns + 10**9
    os.utime(part, ns=(later, later))
    assert _named(run) == {
        "2026-11-17": "transactions: no _MANIFEST.json",
        "2026-11-18": "transactions: part-0.parquet is gone",
        "2026-11-19": "transactions: part-0.parquet is not the file that its manifest lists",
    }


def test_a_file_that_was_only_copied_is_the_same(run: Run) -> None:
    part = Path(run.landing.address) / "transactions" / str(DAYS[0]) / "part-0.parquet"
    later = part.stat().st_mtime_ns + 10**12
    os.utime(part, ns=(later, later))
    assert _named(run) == {}


def test_other_rows_are_named_and_rows_that_were_deleted_on_purpose_are_not(run: Run) -> None:
    landing = run.landing
    landing.write_day("fraud_reports", DAYS[1], [pa.table({"a": [1, 2]})])
    landing.write_day("fraud_reports", DAYS[2], [pa.table({"a": [1, 2, 3, 4]})])
    assert _named(run) == {
        "2026-11-18": "fraud_reports: 2 rows, 3 were ingested",
        "2026-11-19": "fraud_reports: 4 rows, 3 were ingested",
    }
    later = AT.replace(hour=3)
    run.ledger.audit("customer_id", DeletionDetail(state="done"), actor="test", at=later)
    assert list(_named(run)) == ["2026-11-19"]
