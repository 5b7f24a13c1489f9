"""deadlines: is everything there that should be by now?

Notices that no receiver has taken are sent again.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable, get_current_context, task

from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.wiring import dag_arguments, use_cases

DOC = """
Looks at the clock: a stage of the night that is not done by its deadline opens an incident, which
closes by itself. Failed tasks have incidents of their own; this one sees what hangs, waits, or was
never started.

**Runs** every half hour, a minute after the deadlines of the use case.

**Healthy** when it is green; lateness itself never fails it.

**When it fails**: the ledger does not answer; it is tried again by itself. See
`docs/runbooks/ledger.md`, and for a late stage `docs/runbooks/late.md`.

**A re-run is safe**: it reads, and of one cause there is one incident.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    schedule = CronTriggerTimetable(use_case.schedule.looks, timezone="UTC")
    arguments = dag_arguments(use_case, "deadlines", title="look at the deadlines", doc=DOC)
    with DAG(**arguments | {"max_active_runs": 1}, schedule=schedule) as dag:

        @task(task_display_name="what is late")
        def look() -> list[str]:
            """Open, go on with, or close the incident of what is late; returns it in words."""
            from pipelines.nightly.monitor.incidents import follow_deadlines, stage_done
            from plugins.tollgate_airflow.partition import run_of

            run = run_of(get_current_context(), use_case.name)
            late = follow_deadlines(run)
            stage_done(run, "deadlines", None)
            return [lateness.told for lateness in late]

        look()
    return dag


for declared in use_cases():
    build(declared)
