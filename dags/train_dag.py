"""train: a candidate on what was known at the end of the day, judged, and released if it is
better.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, TaskGroup, get_current_context, task

from pipelines.airflow.names import Orchestration
from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.approving import promote_approved, release_approval
from plugins.tollgate_airflow.training import train_for
from plugins.tollgate_airflow.wiring import asset, dag_arguments, use_cases

DOC = """
Trains a candidate on what was known when the partition's day was over, judges it against champion
and baselines, and releases it if it is good enough: first in shadow beside the champion, then in
canary (`monitor` moves it on by days).

**Runs** weekly (`train_weekly` asks) and whenever `monitor` asks because of drift. By hand: trigger
it with the last day that shall be known as partition key.

**Healthy** when the task is green. A refused candidate is healthy too: the account says why, what
decides now goes on.

**When it waits**: `approve` asks a person, with the evidence, where the verdict or the risk tier
asks for one, under *Required actions* in Airflow; otherwise it is skipped. See
`docs/runbooks/approval.md`.

**When it fails**
- *nobody has said*: no answer came within six days; what decides now goes on.
- *not enough mature labels*, *a day is missing*: permanent; see `docs/runbooks/train-failed.md`.
- *MLflow or Spark does not answer*: it is tried again by itself; the champion scores on meanwhile.

**A re-run is safe**: the same data and seed give the same release, which keeps the state that it
has.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    names = Orchestration(use_case.name)
    drift, due, release = (asset(use_case, what) for what in ("drift", "training_due", "release"))
    schedule = PartitionedAssetTimetable(assets=drift | due)
    parameters = {"reason": Param("asked for by hand", type="string", minLength=3, maxLength=200)}
    arguments = dag_arguments(use_case, "train", title="train and release", doc=DOC)
    arguments["default_args"]["execution_timeout"] = timedelta(hours=6)
    with DAG(**arguments, schedule=schedule, params=parameters) as dag:

        @task(outlets=[release], pool=names.pool("train"), task_display_name="candidate to release")
        def train() -> dict[str, Any]:
            """Point-in-time rows, baselines, search, evaluation, release or refusal."""
            return train_for(use_case.name, get_current_context(), release)

        trained = train()
        with TaskGroup("person", tooltip="where the verdict or the risk tier asks for one"):
            ask = release_approval(use_case.name)

            @task(
                outlets=[release], pool=names.pool("train"), task_display_name="approved release on"
            )
            def promote() -> dict[str, Any]:
                """The approved release begins its way to champion, in the approver's name."""
                return promote_approved(use_case.name, get_current_context(), ask.task_id)

            trained >> ask >> promote()
    return dag


for declared in use_cases():
    build(declared)
