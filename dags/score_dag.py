"""score: the champion's scores for the day, and the list of cases to review."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, task

from pipelines.airflow.names import Orchestration
from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.stage_run import run_stage
from plugins.tollgate_airflow.wiring import asset, dag_arguments, span_parameter, use_cases

DOC = """
Scores the day's events with the champion and writes the ranked list of cases to review, with
reasons.

**Runs** when `features` of the same day are in the lake. `monitor` follows.

**Healthy** when the task is green and the account says `fallback False`.

**When it fails or falls back**
- *the declared rule scores instead*, as no model could be loaded, or as a person or the watch let
  it decide: every row says so, and the task stays green. See `docs/runbooks/score-fallback.md`.
- *gate refused the predictions*: they are outside what the suite allows; yesterday's list stands.
  See `docs/runbooks/predictions-refused.md`.

**A re-run is safe**: predictions and alerts of the day are replaced in one commit each, with the
release that is champion *now*; on days of a fallback the rule decides again.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    names = Orchestration(use_case.name)
    features = asset(use_case, "features")
    outlets = [asset(use_case, "predictions"), asset(use_case, "alerts")]
    schedule = PartitionedAssetTimetable(assets=features)
    arguments = dag_arguments(use_case, "score", title="score the day", doc=DOC)
    with DAG(**arguments, schedule=schedule, params=span_parameter()) as dag:

        @task(
            inlets=[features],
            outlets=outlets,
            pool=names.pool("score"),
            task_display_name="features to alerts",
        )
        def score() -> dict[str, Any]:
            """The released model on the day's features; gate; predictions and alerts."""
            from pipelines.nightly.score.stage import score as stage

            return run_stage(stage, use_case.name, outlets)

        score()
    return dag


for declared in use_cases():
    build(declared)
