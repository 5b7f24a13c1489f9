"""The graph that Airflow sees: held by a snapshot, light to import, documented, with retries by
kind of error.
"""

from __future__ import annotations

import ast
import json
from itertools import chain, pairwise
from typing import Any

import pytest

from pipelines.airflow.names import Orchestration
from pipelines.base.settings import CHECKOUT
from pipelines.usecases.registry import names
from tests.dags.graph import FILES, SNAPSHOT, dags_of, read_all, snapshot_of


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return read_all()


@pytest.fixture(scope="module")
def dags(parts: dict[str, Any]) -> dict[str, Any]:
    return dags_of(parts)


def test_the_graph_is_the_one_in_the_snapshot(parts: dict[str, Any]) -> None:
    current, expected = snapshot_of(parts), json.loads(SNAPSHOT.read_text())
    assert current == expected, (
        "the graph has changed; if that is meant: python -m tests.dags.graph --write"
    )


def test_every_use_case_has_its_dags(dags: dict[str, Any]) -> None:
    declared = chain.from_iterable(Orchestration(name).dag_ids for name in names())
    assert set(dags) == set(declared)


def test_another_use_cases_dags_carry_its_name() -> None:
    assert Orchestration("fraud").chain == ("ingest", "features", "score", "monitor")
    assert Orchestration("churn").chain == (
        "churn_ingest",
        "churn_features",
        "churn_score",
        "churn_monitor",
    )


def test_importing_a_dag_file_loads_nothing_heavy(parts: dict[str, Any]) -> None:
    assert {name: part["heavy"] for name, part in parts.items() if part["heavy"]} == {}


def test_a_dag_follows_the_assets_of_the_one_before(dags: dict[str, Any]) -> None:
    def outlets(dag_id: str) -> set[str]:
        tasks = dags[dag_id]["tasks"].values()
        return set(chain.from_iterable(task["outlets"] for task in tasks))

    for before, after in pairwise(Orchestration("fraud").chain):
        followed = set(dags[after]["schedule"]["assets"])
        assert followed
        assert followed <= outlets(before)
    assert set(dags["train"]["schedule"]["assets"]) <= outlets("monitor") | outlets("train_weekly")


def test_every_pool_is_one_that_up_makes(dags: dict[str, Any]) -> None:
    pools = {"default_pool"}.union(*(Orchestration(name).pools for name in names()))
    tasks = chain.from_iterable(dag["tasks"].values() for dag in dags.values())
    assert {task["pool"] for task in tasks} <= pools


def test_tables_with_one_writer_are_written_in_its_pool(dags: dict[str, Any]) -> None:
    signals = {"fraud.drift", "fraud.training_due"}
    for dag in dags.values():
        for task in dag["tasks"].values():
            if set(task["outlets"]) - signals:
                assert task["pool"] != "default_pool", task["title"]


@pytest.mark.parametrize("name", ["**Runs**", "**Healthy**", "**When it", "re-run is safe"])
def test_every_dag_is_documented_for_whoever_is_on_call(dags: dict[str, Any], name: str) -> None:
    assert [dag_id for dag_id, dag in dags.items() if name not in dag["doc"]] == []


def test_runbooks_that_dags_name_exist(dags: dict[str, Any]) -> None:
    words = chain.from_iterable(dag["doc"].split() for dag in dags.values())
    named = {word.strip("`.,()") for word in words if "docs/runbooks/" in word}
    assert len(named) > 5
    assert sorted(page for page in named if not (CHECKOUT / page).is_file()) == []


def test_permanent_errors_are_never_retried_and_all_failures_are_told(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        for task in dag["tasks"].values():
            first = task["retry_policy"]["rules"][0]
            assert (first["exception"], first["action"]) == (
                "pipelines.base.errors.PermanentError",
                "fail",
            )
            assert task["retries"] > 0
            assert task["callbacks"] == [1, 1]


def test_dag_files_never_import_each_other() -> None:
    for path in FILES:
        nodes = ast.walk(ast.parse(path.read_text()))
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        named = {alias.name for alias in chain.from_iterable(node.names for node in imports)}
        named |= {node.module or "." for node in imports if isinstance(node, ast.ImportFrom)}
        assert not [node for node in imports if isinstance(node, ast.ImportFrom) and node.level], (
            path
        )
        assert not {
            name for name in named if name.split(".")[0] == "dags" or name.endswith("_dag")
        }, path
