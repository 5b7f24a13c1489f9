"""served: what was really answered online yesterday, beside what the batch says of the same events,
bit by bit.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.stage_run import run_stage
from plugins.tollgate_airflow.timetable import NightlyTimetable
from plugins.tollgate_airflow.wiring import PARTITION_KEY, dag_arguments, use_cases

DOC = """
Reads the online scorer's log of yesterday's answers, compares every feature, score and decision
with the batch, and names the cause of each difference. Nothing waits for it; the evidence of a
release reads its result.

**Runs** every morning for the day before, after the deadlines of the night.

**Healthy** when it is green and its account shows no unexplained differences. A day on which
nothing was served, or without features, is passed over.

**When answers differ** the task stays green: an incident *served parity* names features and causes,
and the next release is refused; see `docs/runbooks/served-parity.md`.

**When it fails**
- *Spark does not answer*: it is tried again by itself.

**A re-run is safe**: it only reads; the result is recorded once more.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    schedule = NightlyTimetable(
        use_case.schedule.served, timezone="UTC", run_offset=-1, key_format=PARTITION_KEY
    )
    arguments = dag_arguments(use_case, "served", title="answered as in batch", doc=DOC)
    with DAG(**arguments, schedule=schedule) as dag:

        @task(task_display_name="yesterday's answers")
        def served() -> dict[str, Any]:
            """Every logged answer to an event of the day, beside the batch."""
            from pipelines.parity.served import served_parity

            return run_stage(served_parity, use_case.name)

        served()
    return dag


for declared in use_cases():
    build(declared)
