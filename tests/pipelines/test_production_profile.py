"""Settings choose, code does not change: the same days on files of one machine and on PostgreSQL, Redis and S3."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.platform.days import DayRange
from pipelines.platform.landing import Landing
from pipelines.platform.settings import Settings
from pipelines.run import Run
from pipelines.simulate.day import plan_days
from pipelines.simulate.delivery import simulate
from pipelines.simulate.reports import Reporting
from pipelines.simulate.world import WorldSize
from pipelines.stages.features import build_features
from pipelines.stages.ingest import ingest
from pipelines.stages.materialize import materialize, online_store, watermark
from pipelines.stages.score import score
from pipelines.usecases.registry import load
from tests.conftest import QUICK
from tests.production import production

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

DAYS = DayRange(date(2026, 3, 1), date(2026, 3, 5))
AGAIN = DayRange.single(date(2026, 3, 4))
NOW = datetime(2026, 3, 6, 2, tzinfo=UTC)
WORLD = WorldSize(customers=60, terminals=120, seed=5)
TABLES = ("transactions", "fraud_reports", "quarantine", "features", "predictions", "alerts")


def test_the_same_days_give_the_same_tables_on_both_profiles(tmp_path: Path, spark: SparkSession) -> None:
    with production() as (given, _):
        served = in_a_new_process({**given, "home": tmp_path / "served"})
    embedded = chain({"home": tmp_path / "embedded"})
    assert served["accounts"] == embedded["accounts"]
    for table in TABLES:
        assert served["rows"][table] == embedded["rows"][table], table
    assert len(embedded["rows"]["features"]) > 400
    assert served["online"] == embedded["online"]
    assert served["versions"] == embedded["versions"], "the day run again is one more commit, of the same rows"
    home = tmp_path / "served"
    files = [path for path in home.rglob("*") if path.suffix in {".sqlite", ".parquet", ".gz"}]
    assert {path.relative_to(home).parts[0] for path in files} == {"truth"}, "no state is in the home"


def in_a_new_process(given: Mapping[str, Any]) -> dict[str, Any]:
    """The chain in a process of its own: the jars of S3 are loaded when Spark's Java starts, and by no other test."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(chain, dict(given)).result()


def chain(given: dict[str, Any]) -> dict[str, Any]:
    """Five days from landing zone to alert list and online store, one of them twice; what came of it, as plain data."""
    settings = Settings.build(**given, spark_memory="2g", spark_cores=1, spark_java_options=QUICK)
    run = Run(settings, load("fraud"), run_id="chain", actor="test", clock=lambda: NOW)
    plans = plan_days(DAYS, [], Reporting(), "parquet")
    list(simulate(Landing.of(settings), settings.home / "truth", WORLD, DAYS, plans))
    accounts = [stage(run, DAYS).accounts for stage in (ingest, build_features, score)]
    accounts += [stage(run, AGAIN).accounts for stage in (ingest, build_features)]
    materialize(run, DAYS)
    mark = watermark(run.ledger)
    assert mark is not None
    found = online_store(run, reading_only=True).present("customer", range(1, WORLD.customers + 1), mark.built_at)
    return {
        "accounts": [without_seconds(account) for account in accounts],
        "rows": {table: rows_of(run, table) for table in TABLES},
        "versions": run.lake.versions(TABLES),
        "online": (found.keys, found.events, mark.built_at),
    }


def rows_of(run: Run, table: str) -> list[str]:
    """The rows of a table as text, sorted; floats to the last bit."""
    return sorted(map(repr, run.lake.read(table).toArrow().to_pylist()))


def without_seconds(account: Any) -> Any:
    """An account without what differs from run to run: how long it took, and where the tables are."""
    if isinstance(account, dict):
        return {str(key): without_seconds(value) for key, value in account.items() if key not in {"seconds", "path"}}
    return account
