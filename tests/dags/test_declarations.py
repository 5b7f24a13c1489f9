"""A declaration that does not load is one red DAG with its message; what loads has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dags import declarations_dag
from pipelines.airflow import server
from pipelines.airflow.names import Orchestration
from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings
from pipelines.usecases.registry import load_all
from tests.pipelines.usecases.more_use_cases import like_fraud, use_cases_in


def test_the_dag_says_what_is_wrong_and_its_task_fails_with_it(tmp_path: Path) -> None:
    with use_cases_in(tmp_path, bike="LIMIT = 1 / 0"):
        (broken,) = load_all().broken
        dag = declarations_dag.build(broken)
        assert (dag.dag_id, dag.is_paused_upon_creation) == ("bike_declaration", False)
        assert "ZeroDivisionError" in str(dag.doc_md)
        assert "bike.py, line 1" in str(dag.doc_md)
        (task,) = dag.tasks
        assert task.retries == 0
        fails: Callable[[], Any] = task.python_callable  # type: ignore[attr-defined]
        with pytest.raises(ConfigurationError, match="bike cannot be imported"):
            fails()


def test_airflow_is_up_when_each_has_its_dags_or_the_red_one(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag_ids: set[str] = set()

    class Api:
        def __init__(self, _: Settings) -> None: ...

        def health(self) -> dict[str, str]:
            return {"scheduler": "healthy"}

        def import_errors(self) -> dict[str, str]:
            return {}

        def dags(self) -> dict[str, bool]:
            return dict.fromkeys(dag_ids, False)

    monkeypatch.setattr(server, "AirflowApi", Api)
    with use_cases_in(tmp_path, bike="", returns=like_fraud("returns")):
        dag_ids |= {*Orchestration("fraud").dag_ids, "bike_declaration"}
        assert not server.is_healthy(settings), "those of returns are missing"
        dag_ids |= {*Orchestration("returns").dag_ids}
        assert server.is_healthy(settings)
        dag_ids -= {"bike_declaration"}
        assert not server.is_healthy(settings)


def test_every_use_case_has_its_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, int] = {}

    class Api:
        def __init__(self, _: Settings) -> None: ...

        def make_pool(self, name: str, *, slots: int, description: str) -> None:
            assert description
            made[name] = slots

    monkeypatch.setattr(server, "AirflowApi", Api)
    with use_cases_in(tmp_path / "more", returns=like_fraud("returns")):
        server.make_pools(Settings.build(home=tmp_path))
    assert made == dict.fromkeys(
        [*Orchestration("fraud").pools, *Orchestration("returns").pools], 1
    )
