"""What Airflow knows of a stage that has left no record: it is running, its DAG is paused, or
nothing started it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache

from pipelines.airflow.api import AirflowApi
from pipelines.airflow.names import Orchestration
from pipelines.base.errors import TollgateError
from pipelines.base.ports import answers
from pipelines.base.settings import Settings


def airflow_look(settings: Settings, use_case: str) -> Callable[[str, date], str | None]:
    """A function that asks the settings' Airflow about a stage and a day.

    It answers `running`, or in words why the stage is not; None where Airflow cannot be asked,
    which is found out once.
    """
    api, names = AirflowApi(settings), Orchestration(use_case)

    @cache
    def dags() -> dict[str, bool] | None:
        try:
            return api.dags()
        except TollgateError:
            return None

    def look(stage: str, day: date) -> str | None:
        paused_by_dag, dag_id = dags(), names.dag_id(stage)
        if paused_by_dag is None:
            return None
        try:
            runs = api.runs(dag_id, str(day))
        except TollgateError:
            return None
        if runs and not runs[-1].finished:
            return "running"
        paused = f"the DAG {dag_id} is paused" if paused_by_dag.get(dag_id) else ""
        if runs:
            return f"its run in Airflow ended as {runs[-1].state}" + (
                f", and {paused}" if paused else ""
            )
        return f"no run of it in Airflow: {paused}" if paused else "no run of it in Airflow"

    return look


def paused_dags(settings: Settings, use_case: str) -> tuple[str, ...]:
    """The use case's DAGs that somebody has paused; none where no Airflow answers, which is another
    check's matter.

    An event that comes while a DAG is paused is lost: what it would have started has to be started
    by hand later.
    """
    if settings.airflow_url is None and not answers(settings.airflow_port):
        return ()
    try:
        paused_by_dag = AirflowApi(settings).dags()
    except TollgateError:
        return ()
    return tuple(dag_id for dag_id in Orchestration(use_case).dag_ids if paused_by_dag.get(dag_id))


def paused_told(settings: Settings, dag_ids: Sequence[str]) -> str:
    """What paused DAGs mean, and where they are switched on."""
    url = AirflowApi(settings).url
    pages = ", ".join(f"{url}/dags/{dag_id}" for dag_id in dag_ids)
    days = "then `tollgate backfill` of the days that they missed"
    return (
        f"paused in Airflow, so that they start nothing: {', '.join(dag_ids)}; switch them on"
        f" ({pages}), {days}"
    )
