"""features: the day's feature rows into the lake, then each entity's state into the online
store.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, TaskGroup, task

from pipelines.airflow.names import Orchestration
from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.stage_run import run_stage
from plugins.tollgate_airflow.wiring import asset, dag_arguments, span_parameter, use_cases

DOC = """
Computes the day's features from the events that the windows reach back to, and brings the online
store up to date.

**Runs** when `ingest` has finished the same day. `score` follows as soon as the features are in the
lake; the online store is filled meanwhile.

**Healthy** when both tasks are green and the account's row count is that of the day's accepted
events.

**When it fails**
- *the day before is not ingested*: it waits and tries again by itself, so days may arrive in any
  order. See `docs/runbooks/features-waiting.md`.
- *gate refused*: a feature is outside what its suite allows; the table is as before. Look at the
  feature's inputs.
- *materialize* fails: scoring by batch goes on; online answers stay at the last watermark. Clear
  the task.

**A re-run is safe**: rows of the day are replaced in one commit; state is written by key, the
newest wins.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    names = Orchestration(use_case.name)
    events = asset(use_case, use_case.events.name)
    features, state = asset(use_case, "features"), asset(use_case, "online_state")
    schedule = PartitionedAssetTimetable(assets=events)
    arguments = dag_arguments(use_case, "features", title="features of the day", doc=DOC)
    with DAG(**arguments, schedule=schedule, params=span_parameter()) as dag:
        with TaskGroup("offline", tooltip="the lake's features table"):

            @task(
                inlets=[events],
                outlets=[features],
                pool=names.pool("features"),
                task_display_name="lake to table",
            )
            def build_features() -> dict[str, Any]:
                """Sliding windows over the days that they reach back to; gate; one commit."""
                from pipelines.nightly.features.stage import build_features as stage

                return run_stage(stage, use_case.name, [features])

            built = build_features()
        with TaskGroup("online", tooltip="Feast's online store"):

            @task(
                outlets=[state],
                pool=names.pool("materialize"),
                task_display_name="state to online store",
            )
            def materialize() -> dict[str, Any]:
                """Each entity's recent events into the online store; the watermark moves last."""
                from pipelines.nightly.materialize.stage import materialize as stage

                return run_stage(stage, use_case.name, [state])

            built >> materialize()
    return dag


for declared in use_cases():
    build(declared)
