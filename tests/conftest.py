"""Fixtures that all rooms share: a home of their own, one local Spark session, the real data where
it is found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.run import Run
from pipelines.usecases.registry import load

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["tests.guarantees.plugin", "tests.surroundings"]

HEAVY = (
    "dags/test_standalone.py",
    "pipelines/nightly/ingest/test_order.py",
    "dags/test_production_services.py",
    "pipelines/drills/test_watch_drills.py",
    "pipelines/drills/test_lake_drills.py",
    "pipelines/nightly/materialize/test_materialize.py",
    "pipelines/training/test_reproduce.py",
    "pipelines/maintenance/erasure/test_by_key.py",
    "pipelines/parity/test_parity_real.py",
    "pipelines/nightly/ingest/test_ingest.py",
    "pipelines/nightly/monitor/test_monitor.py",
    "pipelines/training/test_train.py",
    "pipelines/lake/test_lake_race.py",
    "docker/test_native.py",
    "docker/test_cluster.py",
)
"""Files that take minutes, longest first: begun first, so that no worker ends with one while
another has no work.
"""

JAVA_OPTIONS = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
    " -XX:+UseSerialGC -XX:InitialRAMPercentage=8 -XX:MetaspaceSize=400m"
    " -Dspark.buffer.pageSize=1m"
)
"""Tests start many Java machines for little data each: compiling less thoroughly saves a third of
what they compute, and room from the start a tenth: a heap that grows as it must is collected whole
again and again.

So does a small page for each aggregation and sort: by default it is a 16th of the memory, 64 MiB
for a few rows too.
"""

INTERPRETED = " -Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN"
"""Spark evaluates expressions itself, and writes no Java for each: a seventh less for plans that
run once or twice.

The world of `dags/test_standalone.py` runs as users do, with generated code.
"""

STATISTICS = "spark.databricks.delta.stats.collect"
CALL_SITES = "spark.python.sql.dataFrameDebugging.enabled"
QUICK = f"{JAVA_OPTIONS}{INTERPRETED} -D{STATISTICS}=false -D{CALL_SITES}=false"
"""Without Delta's least and largest value of each column of a file: interpreted, they take longer
than the write.

`statistics` gives them back to the tests that look for them. Nor does Spark look up, for each
expression, the line of Python that makes it (to name it in an error): four times what the
expression takes.
"""

os.environ.setdefault("TOLLGATE_SPARK_JAVA_OPTIONS", QUICK)

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The heavy files first, the others in their order."""
    places = {CHECKOUT / "tests" / name: place for place, name in enumerate(HEAVY)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose home is a new folder; one core, so that small tables are cut into few
    parts.
    """
    return Settings.build(home=tmp_path / "home", spark_cores=1)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One local Spark session for the whole run of a worker; with one core where another worker has
    the other.
    """
    from pipelines.spark.session import spark_session

    cores = 1 if os.environ.get("PYTEST_XDIST_WORKER") else 2
    home = tmp_path_factory.mktemp("spark")
    session = spark_session(
        Settings.build(home=home, spark_memory="3g", spark_cores=cores, spark_java_options=QUICK)
    )
    yield session
    _end(session)


def _end(session: SparkSession) -> None:
    """Stop Spark, the bridge to its Java machine and that machine, while pytest's streams are still
    open.
    """
    from pyspark import SparkContext

    gateway = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None


@pytest.fixture(scope="module")
def statistics(spark: SparkSession) -> Iterator[None]:
    """Delta's statistics of each file, as users have them."""
    spark.conf.set(STATISTICS, "true")
    yield
    spark.conf.set(STATISTICS, "false")


@pytest.fixture
def make_run(spark: SparkSession, settings: Settings) -> Callable[..., Run]:
    """Makes runs of the fraud use case (or another) in the test's own home, at a fixed clock."""

    def make(use_case: str = "fraud", **changes: object) -> Run:
        return Run(
            settings.model_copy(update=changes),
            load(use_case),
            run_id="test-run",
            actor="test",
            clock=lambda: NOW,
        )

    return make


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets; the test is skipped, and says so, where there is none."""
    folder = Path(os.environ.get("TOLLGATE_REAL_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        if os.environ.get("TOLLGATE_REQUIRE_REAL_DATA"):
            pytest.fail(f"the tests on real data must run here, but {folder} is not there")
        pytest.skip(f"no real data at {folder} (set TOLLGATE_REAL_DATA)")
    return folder
