"""maintain: the lake's files put together, old versions removed, the ledger backed up."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.stage_run import run_stage
from plugins.tollgate_airflow.timetable import NightlyTimetable
from plugins.tollgate_airflow.wiring import PARTITION_KEY, dag_arguments, use_cases

DOC = """
Backs the ledger up, deletes the days beyond the use case's retention policy (none unless it
declares one), puts the small files of settled days together, removes files that only versions older
than the policy need, and Airflow's own logs and rows beyond the policy's age.

**Runs** every Sunday morning, when the night is done. Nothing waits for it.

**Healthy** when it is green and its account names a backup.

**When it fails**
- *another writer was faster*: a backfill changed the same days. Whichever of the two was told so is
  tried again by itself.
- *the backup could not be written*, *the disk is full*: make room; see `docs/runbooks/upkeep.md`.

**A re-run is safe**: what is done is done, and today's backup is written again.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    schedule = NightlyTimetable(
        use_case.schedule.upkeep, timezone="UTC", run_offset=0, key_format=PARTITION_KEY
    )
    arguments = dag_arguments(use_case, "maintain", title="upkeep", doc=DOC)
    with DAG(**arguments | {"max_active_runs": 1}, schedule=schedule) as dag:

        @task(task_display_name="files, versions, backup")
        def maintain() -> dict[str, Any]:
            """Every table tended, every row of the ledger in a file of its own."""
            from pipelines.maintenance.stage import maintain as stage

            return run_stage(stage, use_case.name)

        maintain()
    return dag


for declared in use_cases():
    build(declared)
