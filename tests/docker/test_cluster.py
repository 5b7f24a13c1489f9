"""All of the production profile below Airflow: a Spark cluster by the compose file's commands, the
lake on S3, ledger and registry in PostgreSQL, states in Redis. Settings choose, code does not
change: the same days as on one machine.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pyarrow as pa
import pytest

from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.ingest import ingest
from pipelines.nightly.materialize.stage import materialize
from pipelines.nightly.score.stage import score
from pipelines.run import Run
from pipelines.services import processes
from pipelines.simulate.day import plan_days
from pipelines.simulate.delivery import simulate
from pipelines.simulate.reports import Reporting
from pipelines.simulate.world import WorldSize
from pipelines.spark.jar_list import DELTA_JARS, S3_JARS
from pipelines.spark.jars import missing_jars
from pipelines.stores.watermark import online_store, watermark
from pipelines.usecases.registry import load
from tests.conftest import INTERPRETED, JAVA_OPTIONS
from tests.docker.machine import Machine, command_line, settings_of
from tests.docker.stack import DOCKER
from tests.object_store import s3
from tests.ports import free_port
from tests.production import databases

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.services]

DAYS = DayRange(date(2026, 3, 1), date(2026, 3, 3))
AGAIN = DayRange.single(date(2026, 3, 2))
NOW = datetime(2026, 3, 4, 2, tzinfo=UTC)
WORLD = WorldSize(customers=150, terminals=300, seed=5)
TABLES = ("transactions", "fraud_reports", "quarantine", "features", "predictions", "alerts")
WORKERS = ("spark-worker-1", "spark-worker-2")
STRANGER = "spark-worker-3"
"""A worker of another home, which has another secret."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A master, two workers of one core, a stranger, a Connect server on them, and S3."""
    if missing_jars(Settings.from_environment().jars, DELTA_JARS + S3_JARS):
        pytest.skip("the jars of a lake on S3 are not there (make services)")
    folder = tmp_path_factory.mktemp("cluster")
    subprocess.run(
        [sys.executable, str(DOCKER / "make_secrets.py"), str(folder / "secrets")], check=True
    )
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        places = {
            "http://s3:8333": stack.enter_context(s3(patch)),
            "spark://spark-master:7077": f"spark://127.0.0.1:{free_port()}",
        }
        machine = Machine(folder / "home", folder / "secrets", places, {"spark": free_port()})
        machine.extras = extras(folder, places["spark://spark-master:7077"])
        stack.callback(machine.stop)
        machine.run("buckets")
        machine.start("spark-master")
        machine.start(*WORKERS, "spark")
        yield machine


def extras(folder: Path, master: str) -> dict[str, dict[str, str]]:
    """What the compose file's variables and one machine for all ask for: ports of the pages, one
    core each.
    """
    quick = {"TOLLGATE_SPARK_JAVA_OPTIONS": JAVA_OPTIONS + INTERPRETED}
    lent = {
        **quick,
        "SPARK_WORKER_CORES": "1",
        "SPARK_WORKER_MEMORY": "512m",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
    }
    pages = {name: {"SPARK_WORKER_WEBUI_PORT": str(free_port())} for name in (*WORKERS, STRANGER)}
    return {
        "spark-master": {**quick, "SPARK_MASTER_WEBUI_PORT": str(free_port())},
        "spark": {
            **quick,
            "TOLLGATE_SPARK_MASTER": master,
            "TOLLGATE_SPARK_MEMORY": "1g",
            "TOLLGATE_SPARK_EXECUTOR_MEMORY": "512m",
            "TOLLGATE_SPARK_REMOTE": "",
            "SPARK_LOCAL_DIRS": str(folder / "local"),
        },
        **{name: {**lent, **page} for name, page in pages.items()},
        STRANGER: {**lent, **pages[STRANGER], "TOLLGATE_HOME": str(folder / "elsewhere")},
    }


def test_the_same_days_give_the_same_tables_as_on_one_machine(
    machine: Machine, tmp_path: Path, spark: SparkSession
) -> None:
    scheduler = settings_of(machine, "airflow-scheduler").model_dump()
    with databases() as (ours, _):
        served = in_a_new_process(
            scheduler | ours | {"spark_remote": f"sc://127.0.0.1:{machine.ports['spark']}"}
        )
    embedded = chain({"home": tmp_path / "embedded"})
    assert served["accounts"] == embedded["accounts"]
    for table in TABLES:
        assert served["rows"][table] == embedded["rows"][table], table
    assert len(embedded["rows"]["features"]) > 400
    assert served["online"] == embedded["online"]
    assert min(embedded["online"][:2]) > 0
    assert served["versions"] == embedded["versions"], (
        "the day run again is one more commit, of the same rows"
    )
    files = [
        path for path in machine.home.rglob("*") if path.suffix in {".sqlite", ".parquet", ".gz"}
    ]
    assert {path.relative_to(machine.home).parts[0] for path in files} == {"truth"}, (
        "no state is in the home"
    )
    assert len(served["folders"]) == len(WORKERS), "both workers ran our Python"
    assert all(
        Path(folder).is_relative_to(machine.home / "spark" / "work") for folder in served["folders"]
    )


def test_a_worker_with_another_secret_is_not_taken_and_none_is_told(machine: Machine) -> None:
    page = f"http://127.0.0.1:{machine.extras['spark-master']['SPARK_MASTER_WEBUI_PORT']}/json/"
    machine.begin(STRANGER)
    log = processes.log_path(machine.home.parent / STRANGER, STRANGER)
    deadline = time.monotonic() + 300
    while "bootstrapping client" not in log.read_text():
        assert not machine.is_well(STRANGER)
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    assert httpx.get(page, timeout=60).json()["aliveworkers"] == len(WORKERS)
    secret = (machine.home / "airflow" / "spark-cluster.key").read_text()
    members: list[psutil.Process] = []
    for record in machine.started:
        members += record.members()
    assert len(members) >= len(WORKERS) + 4, (
        "master, workers, server and an executor on each worker"
    )
    assert not [process.name() for process in members if secret in command_line(process)]
    logs = [*machine.home.parent.glob("*/*.log"), *machine.home.glob("spark/work/*/*/std*")]
    assert not [path for path in logs if secret in path.read_text(errors="replace")]


def in_a_new_process(given: dict[str, Any]) -> dict[str, Any]:
    """The chain in a process of its own: what Spark's Java loads is settled when it starts."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(chain, given).result()


def chain(given: dict[str, Any]) -> dict[str, Any]:
    """Three days from landing zone to alert list and online store, one of them twice; what came of
    it, as plain data, and where Spark's Python was when asked.
    """
    settings = Settings.build(
        **{**given, "spark_memory": "1g", "spark_java_options": JAVA_OPTIONS + INTERPRETED}
    )
    run = Run(settings, load("fraud"), run_id="chain", actor="test", clock=lambda: NOW)
    plans = plan_days(DAYS, [], Reporting(), "parquet")
    list(simulate(Landing.of(settings, "fraud"), settings.home / "truth", WORLD, DAYS, plans))
    accounts = [stage(run, DAYS).accounts for stage in (ingest, build_features, score)]
    accounts += [stage(run, AGAIN).accounts for stage in (ingest, build_features)]
    materialize(run, DAYS)
    mark = watermark(run.ledger)
    assert mark is not None
    online = online_store(run, reading_only=True).present(
        "customer", range(1, WORLD.customers + 1), mark.built_at
    )
    written = run.spark.range(0, 4, 1, 4).mapInArrow(folders, "folder string").distinct().toArrow()
    return {
        "accounts": [without_seconds(account) for account in accounts],
        "rows": {table: rows_of(run, table) for table in TABLES},
        "versions": run.lake.versions(TABLES),
        "online": (online.keys, online.events, mark.built_at),
        "folders": written["folder"].to_pylist(),
    }


def without_seconds(account: Any) -> Any:
    """An account without what differs from run to run: how long it took, and where the tables
    are.
    """
    if isinstance(account, dict):
        return {
            str(key): without_seconds(value)
            for key, value in account.items()
            if key not in {"seconds", "path"}
        }
    return account


def folders(batches: Any) -> Iterator[pa.RecordBatch]:
    """The folder that a Python worker runs in: each executor has one of its own."""
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"folder": [str(Path.cwd())]})


def rows_of(run: Run, table: str) -> list[str]:
    """The rows of a table as text, sorted; floats to the last bit."""
    return sorted(map(repr, run.lake.read(table).toArrow().to_pylist()))
