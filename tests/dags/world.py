"""A small simulated world behind real services: history loaded, a model trained, Airflow and Spark
Connect up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from pipelines.airflow.api import USER, AirflowApi, DagRun, passwords_file
from pipelines.base.days import midnight
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.cli.releases.release import NOT_IN_PRODUCTION
from pipelines.lake.delta_log import commit_versions
from pipelines.ledger.ledger import Ledger
from tests.conftest import JAVA_OPTIONS
from tests.ports import free_ports

START = date(2026, 1, 20)
FIRST = date(2026, 3, 6)
"""The first day that Airflow runs; the days before it are loaded in bulk."""

BROKEN = FIRST + timedelta(days=2)
"""Its feed is broken when it first comes."""

LAST = FIRST + timedelta(days=3)
"""Waits for the broken day, and drifts."""

TOLLGATE = str(Path(sys.executable).parent / "tollgate")

POLL_SECONDS = 2.0
"""Each question costs Airflow's server some 25 ms of a core that its tasks need too."""

QUIET_AIRFLOW = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600"}
"""DAG files are parsed when Airflow starts, not every half minute again: no test changes one."""

LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
ASKING = str(CHECKOUT / "tests" / "dags" / "asking")
BUNDLES = [
    {"name": "dags-folder", "classpath": LOCAL, "kwargs": {}},
    {"name": "asking", "classpath": LOCAL, "kwargs": {"path": ASKING}},
]
"""Our own DAGs, and one that asks a person without a training before it."""


@dataclass(frozen=True)
class World:
    """The services' settings, and the doors to them."""

    settings: Settings

    @cached_property
    def api(self) -> AirflowApi:
        return AirflowApi(self.settings)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.ledger, self.settings.use_case)

    def environment(self) -> dict[str, str]:
        bundles = {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(BUNDLES)}
        own = {**self.settings.environment(), **QUIET_AIRFLOW, **bundles, "COLUMNS": "200"}
        return {**os.environ, **own}

    def tollgate(
        self, *arguments: object, code: int = 0, or_code: int | None = None, connect: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; fail with all of its output where it does not end with `code` (or
        `or_code`).
        """
        remote = {"SPARK_REMOTE": f"sc://127.0.0.1:{self.settings.spark_port}"} if connect else {}
        command = [TOLLGATE, *map(str, arguments)]
        done = subprocess.run(
            command,
            env=self.environment() | remote,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=900,
        )
        printed = f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode in {code, or_code}, printed
        return done

    def json(self, *arguments: object, code: int = 0) -> Any:
        """The JSON document that a command prints."""
        return json.loads(self.tollgate(*arguments, "--json", code=code).stdout)

    def contents(self, tables: Iterable[str], day: date) -> dict[str, str]:
        """A digest of each table's rows of a day, whatever their order."""
        code = (
            "import sys, json, hashlib; from datetime import date; from pipelines.run import Run;"
            "from pipelines.base.days import DayRange; from pipelines.base.settings import "
            "Settings;"
            "from pipelines.usecases.registry import load;"
            "run = Run(Settings.from_environment(), load('fraud'));"
            "days = DayRange.single(date.fromisoformat(sys.argv[1]));"
            "read = lambda table: run.lake.read(table, days=days).toArrow();"
            "lines = lambda rows: sorted(map(str, "
            "rows.select(sorted(rows.column_names)).to_pylist()));"
            "digest = lambda texts: [len(texts), "
            "hashlib.sha256(chr(10).join(texts).encode()).hexdigest()];"
            "print(json.dumps({table: str(digest(lines(read(table)))) for table in sys.argv[2:]}))"
        )
        remote = {"SPARK_REMOTE": f"sc://127.0.0.1:{self.settings.spark_port}"}
        command = [sys.executable, "-c", code, str(day), *tables]
        done = subprocess.run(
            command, env=self.environment() | remote, capture_output=True, text=True, cwd=CHECKOUT
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def newest_version(self, table: str) -> int:
        """The version of a table's newest commit."""
        return next(iter(commit_versions(Path(self.settings.lake, self.settings.use_case, table))))

    def mark_failed(self, run: DagRun) -> None:
        """Say of a run that it has failed, as one can in Airflow's pages."""
        self._patch(run, "", {"state": "failed"})

    def answer(self, run: DagRun, task_id: str, option: str, reason: str) -> None:
        """Answer a task that asks a person, as one can under "Required actions" in Airflow's
        pages.
        """
        answer = {"chosen_options": [option], "params_input": {"reason": reason}}
        self._patch(run, f"/taskInstances/{task_id}/-1/hitlDetails", answer)

    def _patch(self, run: DagRun, below: str, change: dict[str, Any]) -> None:
        path = f"{self.api.url}/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}{below}"
        password = json.loads(passwords_file(self.settings).read_text())[USER]
        answer = httpx.post(
            f"{self.api.url}/auth/token", json={"username": USER, "password": password}, timeout=60
        )
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        httpx.patch(path, json=change, headers=headers, timeout=60).raise_for_status()

    def newest(self, dag_id: str, day: date) -> DagRun | None:
        """The newest run of a DAG for a day."""
        runs = self.api.runs(dag_id, str(day))
        return runs[-1] if runs else None

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 900) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
            time.sleep(POLL_SECONDS)


def small_world(home: Path) -> World:
    """Simulate, start the services, load the days before `FIRST` in bulk, and train."""
    spark, airflow, mlflow = free_ports(3)
    settings = Settings.build(
        home=home,
        spark_port=spark,
        airflow_port=airflow,
        mlflow_port=mlflow,
        spark_memory="2g",
        spark_cores=1,
        spark_java_options=JAVA_OPTIONS,
        retry_seconds=8,
    )
    world = World(settings)
    deliver(world, "--incident", f"broken-feed:{BROKEN}:{BROKEN}")
    world.tollgate("up")
    history = ("--from", START, "--to", FIRST - timedelta(days=1))
    world.tollgate("run", "ingest", *history, connect=True)
    world.tollgate("run", "features", *history, connect=True)
    world.tollgate("train", "--as-of", FIRST, or_code=NOT_IN_PRODUCTION, connect=True)
    if world.ledger.champion() is None:
        _promote(world)
    return world


def deliver(world: World, *incidents: str) -> None:
    """Simulate all days up to `LAST`, which drifts, with further incidents."""
    world.tollgate(
        *(
            "simulate",
            "--start",
            START,
            "--days",
            (LAST - START).days + 1,
            "--customers",
            300,
            "--terminals",
            500,
        ),
        *(
            "--seed",
            1,
            "--incident",
            f"new-fraud:{LAST}:{LAST}",
            "--incident",
            f"holiday:{LAST}:{LAST}",
            *incidents,
        ),
    )


def _promote(world: World) -> None:
    """Make the model champion where so small a world gave the verdict too little to approve it
    on.
    """
    ledger = world.ledger
    release_id = ledger.releases()[-1].release_id
    ledger.move_champion(
        release_id, expected=None, reason="a test's first", actor="test", at=midnight(FIRST)
    )
