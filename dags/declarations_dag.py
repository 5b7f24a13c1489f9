"""declarations: a red DAG for each use case whose declaration does not load, with its message."""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable, task

from pipelines.airflow.names import Orchestration
from pipelines.usecases.registry import Broken, load, load_all

DOC = """
The declaration of this use case does not load, so it has no other DAGs; those of the other use
cases run as always.

**Runs** at every full hour while the declaration does not load, and at once when that begins.

**Healthy** when it is not there: it goes as soon as the declaration loads, and the DAGs of the use
case come back.

**When it fails**: correct what the message names, then look with `tollgate usecases`.

**A re-run is safe**: it reads the declaration again.
"""


def build(broken: Broken) -> DAG:
    """The DAG that shows why a use case has no others."""
    message = "\n".join(f"    {line}" for line in str(broken.error).splitlines())
    with DAG(
        dag_id=Orchestration(broken.name).declaration_dag,
        dag_display_name=f"{broken.name}: its declaration does not load",
        description=broken.error.what,
        doc_md=f"{DOC}\n\n{message}",
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags={"tollgate", broken.name, "declaration"},
        schedule=CronTriggerTimetable("0 * * * *", timezone="UTC", run_immediately=True),
    ) as dag:

        @task(task_display_name="load the declaration", retries=0)
        def load_declaration() -> None:
            """Raise what is wrong with it."""
            load(broken.name)

        load_declaration()
    return dag


for wrong in load_all().broken:
    build(wrong)
