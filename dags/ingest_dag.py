"""ingest: a day's files from the landing zone into the lake, past the gate."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from pipelines.airflow.names import Orchestration
from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.stage_run import run_stage
from plugins.tollgate_airflow.timetable import NightlyTimetable
from plugins.tollgate_airflow.wiring import (
    PARTITION_KEY,
    asset,
    dag_arguments,
    span_parameter,
    use_cases,
)

DOC = """
Takes one day's files from the landing zone into the lake: manifest, contract, duplicates, late
rows, gate.

**Runs** every night for the day before (UTC). The partition key is that day.

**Healthy** when the task is green and its account shows few quarantined rows. `features` of the
same day follows.

**When it fails**
- *not arrived*: no files, or no `_MANIFEST.json` yet. It looks again by itself (6 times, half an
  hour apart), and then gives up: ask the sender, then run the backfill below.
- *gate refused the day*, *contract*: the sender's files are bad; the tables are as before. See
  `docs/runbooks/ingest-refused.md`. Retrying changes nothing.

**A re-run is safe**: the day's rows are replaced in one commit, the same input gives the same rows,
and everything downstream of the day runs again. `tollgate backfill --from DAY --to DAY --rerun`
does it.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    names = Orchestration(use_case.name)
    outlets = [asset(use_case, feed.name) for feed in use_case.feeds]
    schedule = NightlyTimetable(
        use_case.schedule.nightly, timezone="UTC", run_offset=-1, key_format=PARTITION_KEY
    )
    arguments = dag_arguments(use_case, "ingest", title="ingest the day", doc=DOC)
    with DAG(**arguments, schedule=schedule, params=span_parameter()) as dag:

        @task(outlets=outlets, pool=names.pool("ingest"), task_display_name="landing zone to lake")
        def ingest() -> dict[str, Any]:
            """Manifest, contract, duplicates, late rows, quarantine, gate; one commit a table."""
            from pipelines.nightly.ingest import ingest as stage

            return run_stage(stage, use_case.name, outlets)

        ingest()
    return dag


for declared in use_cases():
    build(declared)
