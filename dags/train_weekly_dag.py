"""train_weekly: asks for the weekly training. It has no other work."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.partition import partition_day, require_ended
from plugins.tollgate_airflow.timetable import NightlyTimetable
from plugins.tollgate_airflow.wiring import PARTITION_KEY, asset, dag_arguments, use_cases

DOC = """
Asks for the weekly training by emitting the asset that `train` waits for.

**Runs** weekly. Its partition key is the day that it runs on; it asks `train` for the day before,
the last one that is complete. `train` itself has no cron schedule, since a DAG follows either a
clock or partitioned assets, not both.

**Healthy** when it is green. **When it fails**, trigger `train` by hand with yesterday as partition
key.

**A re-run is safe**: it asks for the same training again.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    due = asset(use_case, "training_due")
    schedule = NightlyTimetable(
        use_case.schedule.training, timezone="UTC", key_format=PARTITION_KEY
    )
    arguments = dag_arguments(
        use_case, "train_weekly", title="ask for the weekly training", doc=DOC
    )
    with DAG(**arguments, schedule=schedule) as dag:

        @task(outlets=[due], task_display_name="ask for a training")
        def ask_for_training() -> str:
            """Emit the asset for the day before the run's, the last one that is complete."""
            from pipelines.run import utc_now

            context = get_current_context()
            require_ended(context, utc_now().date(), today_too=True)
            last_complete = str(partition_day(context) - timedelta(days=1))
            event = context["outlet_events"][due]
            event.add_partitions(last_complete)
            event.extra = {"reason": "weekly"}
            return last_complete

        ask_for_training()
    return dag


for declared in use_cases():
    build(declared)
