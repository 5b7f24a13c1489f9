"""The whole chain through Airflow on the production profile: its databases in PostgreSQL, the lake
on S3, Redis online.

`make test-services`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import psycopg
import pytest

from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from tests.conftest import QUICK
from tests.dags.world import TOLLGATE, World
from tests.ports import free_ports
from tests.production import production
from tests.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.services]

DAYS = DayRange.of_length(date(2026, 3, 1), 3)
STAGES = ("ingest", "features", "materialize", "score", "monitor")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[Server], str]]:
    """A small world that has landed in the bucket, all services up, its days run; what the backfill
    said.
    """
    home = tmp_path_factory.mktemp("services") / "home"
    spark, airflow, mlflow = free_ports(3)
    with production() as (given, servers):
        ports = {"spark_port": spark, "airflow_port": airflow, "mlflow_port": mlflow}
        quick = {
            "spark_memory": "2g",
            "spark_cores": 1,
            "spark_java_options": QUICK,
            "retry_seconds": 3,
        }
        world = World(Settings.build(home=home, **given, **ports, **quick))
        world.tollgate(
            *(
                "simulate",
                "--start",
                DAYS.first,
                "--days",
                len(DAYS),
                "--customers",
                300,
                "--terminals",
                500,
            ),
            *("--seed", 1),
        )
        try:
            world.tollgate("up")
            done = world.tollgate("backfill", "--from", DAYS.first, "--to", DAYS.last)
            yield world, servers, done.stdout
        finally:
            subprocess.run(
                [TOLLGATE, "down"], env={**os.environ, "TOLLGATE_HOME": str(home)}, check=True
            )


def test_three_days_go_through_airflow_with_all_state_on_servers(
    served: tuple[World, list[Server], str],
) -> None:
    world, _, said = served
    assert said.splitlines()[-1] == "3 days: 3 done"
    for day in DAYS:
        for stage in STAGES:
            assert world.ledger.latest(stage, first=day, last=day)[day].status == "done", (
                stage,
                day,
            )
    home = world.settings.home
    assert not list(home.rglob("*.sqlite"))
    assert not list(home.rglob("airflow.db"))
    assert not list((home / "lake").rglob("*"))
    assert world.settings.airflow_database is not None
    with psycopg.connect(world.settings.airflow_database) as connection:
        runs = connection.execute("SELECT count(*) FROM dag_run WHERE state = 'success'").fetchone()
    assert runs is not None
    assert runs[0] >= 4 * len(DAYS)


@pytest.mark.guarantee(
    "secrets and card numbers",
    fault="passwords of PostgreSQL, Redis and S3, through three days in Airflow",
    seen="in no log, report or command line",
)
def test_no_password_is_in_a_log_a_report_or_on_a_command_line(
    served: tuple[World, list[Server], str],
) -> None:
    world, servers, _ = served
    secrets = [server.password.encode() for server in servers]
    assert not [
        line
        for line in command_lines()
        if any(secret in line for secret in secrets) and b"redis-server" not in line
    ]
    files = [
        path
        for path in world.settings.home.rglob("*")
        if path.is_file() and path.suffix in LEAVE_TRACES
    ]
    assert len(files) > 20
    assert not [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


def command_lines() -> Iterator[bytes]:
    """Those of all processes; one that has just ended has none any more."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


LEAVE_TRACES = {".log", ".cfg", ".html", ".json", ".csv", ".jsonl", ".txt"}
