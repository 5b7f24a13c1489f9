"""The graph of the DAG files as plain data: each file imported in a process of its own, which tells
what it loaded.

The processes are forked from one that has imported Airflow and nothing else. `python -m
tests.dags.graph` prints the parts of all files; `python -m tests.dags.graph --write` renews the
snapshot.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipelines.airflow.server import environment
from pipelines.base.settings import CHECKOUT, Settings

FILES = sorted((CHECKOUT / "dags").glob("*_dag.py"))
SNAPSHOT = Path(__file__).with_name("graph.json")
HEAVY = (
    "pyspark",
    "mlflow",
    "feast",
    "xgboost",
    "great_expectations",
    "evidently",
    "pandas",
    "numpy",
    "matplotlib",
)


def read_all() -> dict[str, Any]:
    """Every DAG file's part by file name."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.build(home=home)
        (settings.home / "airflow").mkdir(parents=True)
        command = [sys.executable, "-m", "tests.dags.graph"]
        done = subprocess.run(
            command, env=environment(settings), cwd=CHECKOUT, capture_output=True, timeout=300
        )
    assert done.returncode == 0, done.stderr.decode()
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


def print_all() -> None:
    """Every file's part, each read by a child of this process."""
    import airflow.sdk  # noqa: F401

    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        print(json.dumps({path.name: pool.apply(read_one, (path,)) for path in FILES}))


def read_one(path: Path) -> dict[str, Any]:
    """The DAGs that a file makes, and the heavy modules that are loaded after it was imported."""
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    DagContext.autoregistered_dags.clear()
    DagContext.current_autoregister_module_name = path.stem
    spec.loader.exec_module(module)
    dags = [dag for dag, _ in DagContext.autoregistered_dags]
    return {
        "dags": {dag.dag_id: _dag(dag) for dag in dags},
        "heavy": sorted(set(sys.modules) & set(HEAVY)),
    }


def _dag(dag: Any) -> dict[str, Any]:
    return {
        "file": Path(dag.fileloc).name,
        "title": dag.dag_display_name,
        "schedule": _schedule(dag.timetable),
        "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "tags": sorted(dag.tags),
        "params": sorted(dag.params),
        "doc": dag.doc_md,
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _schedule(timetable: Any) -> dict[str, Any]:
    schedule: dict[str, Any] = {"type": type(timetable).__name__}
    if hasattr(timetable, "serialize"):
        return schedule | timetable.serialize()
    condition = timetable.asset_condition
    if condition is None:
        return schedule | {"expression": timetable.expression}
    return schedule | {
        "condition": type(condition).__name__,
        "assets": sorted(asset.name for asset in getattr(condition, "objects", [condition])),
    }


def _task(task: Any) -> dict[str, Any]:
    return {
        "title": task.task_display_name,
        "owner": task.owner,
        "pool": task.pool,
        "downstream": sorted(task.downstream_task_ids),
        "inlets": sorted(asset.name for asset in task.inlets),
        "outlets": sorted(asset.name for asset in task.outlets),
        "retries": task.retries,
        "retry_policy": task.retry_policy.serialize(),
        "callbacks": [len(task.on_failure_callback), len(task.on_retry_callback)],
        "time_limit_hours": task.execution_timeout.total_seconds() / 3600,
    }


def dags_of(parts: dict[str, Any]) -> dict[str, Any]:
    """All DAGs of all files, by their ids."""
    dags: dict[str, Any] = {}
    for part in parts.values():
        dags |= part["dags"]
    return dags


def snapshot_of(parts: dict[str, Any]) -> dict[str, Any]:
    """What the snapshot holds: all DAGs without their documentation."""
    return {
        dag_id: {key: value for key, value in dag.items() if key != "doc"}
        for dag_id, dag in sorted(dags_of(parts).items())
    }


if __name__ == "__main__":
    if "--write" in sys.argv:
        SNAPSHOT.write_text(json.dumps(snapshot_of(read_all()), indent=2) + os.linesep)
    else:
        print_all()
