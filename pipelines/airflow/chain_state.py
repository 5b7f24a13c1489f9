"""What Airflow knows of a stage that has left no record: it is running, its DAG is paused, or nothing started it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache

from pipelines.airflow.api import AirflowApi
from pipelines.airflow.names import Orchestration
from pipelines.base.errors import TollgateError
from pipelines.base.settings import Settings


def airflow_look(settings: Settings, use_case: str) -> Callable[[str, date], str | None]:
    """A function that asks the settings' Airflow about a stage and a day.

    It answers `running`, or in words why the stage is not; None where Airflow cannot be asked, which is found out once.
    """
    api, names = AirflowApi(settings), Orchestration(use_case)

    @cache
    def dags() -> dict[str, bool] | None:
        try:
            return api.dags()
        except TollgateError:
            return None

    def look(stage: str, day: date) -> str | None:
        known, dag_id = dags(), names.dag_id(stage)
        if known is None:
            return None
        try:
            runs = api.runs(dag_id, str(day))
        except TollgateError:
            return None
        if runs and not runs[-1].finished:
            return "running"
        paused = f"the DAG {dag_id} is paused" if known.get(dag_id) else ""
        if runs:
            return f"its run in Airflow ended as {runs[-1].state}" + (f", and {paused}" if paused else "")
        return f"no run of it in Airflow: {paused}" if paused else "no run of it in Airflow"

    return look
