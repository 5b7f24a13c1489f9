"""parity: a few events of yesterday asked for online, as a client would, and compared with the
batch bit by bit.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.stage_run import run_stage
from plugins.tollgate_airflow.timetable import NightlyTimetable
from plugins.tollgate_airflow.wiring import PARTITION_KEY, dag_arguments, use_cases

DOC = """
Replays what can reach a few hundred of yesterday's events through a scratch online store, and
compares their features with those of the batch. Nothing waits for it; the evidence of a release
reads its result.

**Runs** every morning for the day before, after the deadlines of the night.

**Healthy** when it is green and its account shows no mismatches. A day without features is passed
over.

**When it fails**
- *the online path gives other features than the batch*: `tollgate parity --day DAY` names the
  features and shows examples; see `docs/runbooks/online-store.md`.
- *Spark or Feast does not answer*: it is tried again by itself.

**A re-run is safe**: it writes to a scratch store of its own; the result is recorded once more.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    schedule = NightlyTimetable(
        use_case.schedule.parity, timezone="UTC", run_offset=-1, key_format=PARTITION_KEY
    )
    arguments = dag_arguments(use_case, "parity", title="online as in batch", doc=DOC)
    with DAG(**arguments, schedule=schedule) as dag:

        @task(task_display_name="a sample of yesterday")
        def parity() -> dict[str, Any]:
            """As many events as the use case's watch says, through the online path."""
            from pipelines.parity.stage import sampled_parity

            return run_stage(sampled_parity, use_case.name)

        parity()
    return dag


for declared in use_cases():
    build(declared)
