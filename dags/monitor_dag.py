"""monitor: drift, performance, volume and quarantine of the day; asks for a retrain where policy
says so.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, TaskGroup, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from pipelines.airflow.names import Orchestration
from pipelines.usecases.definition import UseCase
from plugins.tollgate_airflow.stage_run import run_stage
from plugins.tollgate_airflow.wiring import asset, dag_arguments, span_parameter, use_cases

DOC = """
Compares the day with the champion's training window and with the same weekday before, measures the
day whose labels have matured, tells what is wrong (a feed, a bug, the inputs, a new pattern), opens
or closes its incident, writes the page.

**Runs** when `score` of the same day has finished. Where drift does harm
(`docs/runbooks/drift.md`), and no retrain was asked for within the cool-down, `ask_for_training`
emits the drift asset, which starts `train`; it is skipped on all other days. `roll_out` judges a
release that is tried out beside the champion, or was promoted lately, on the day's scores.

**Healthy** when `monitor` is green and `ask_for_training` is skipped.

**When it fails or asks**
- *an incident*: evidence, consequence, next command and runbook end the log and are told by
  `tollgate oncall`: see `docs/runbooks/watch-feed.md`, `docs/runbooks/watch-bug.md`,
  `docs/runbooks/watch-concept.md`.
- *drift*: read the day's page (the account names it), then `docs/runbooks/drift.md`.
- *an answer*: where the use case's watch policy says so, the declared rule decides for a while, or
  the champion before comes back; the day's page and `tollgate status` say it;
  `docs/runbooks/score-fallback.md`.
- *roll_out* withdrew or undid a release: the incident says why; `docs/runbooks/rollout.md`.
- *monitor* fails: nothing else is held back; scores and alerts of the day stand.

**A re-run is safe**: metrics of the day are replaced; asking twice for the same day trains twice on
the same data.
"""


def build(use_case: UseCase) -> DAG:
    """The DAG of one use case."""
    names = Orchestration(use_case.name)
    predictions, metrics, drift = (
        asset(use_case, what) for what in ("predictions", "metrics", "drift")
    )
    schedule = PartitionedAssetTimetable(assets=predictions)
    arguments = dag_arguments(use_case, "monitor", title="watch the day", doc=DOC)
    with DAG(**arguments, schedule=schedule, params=span_parameter()) as dag:
        with TaskGroup("watch", tooltip="what was seen"):

            @task(
                inlets=[predictions],
                outlets=[metrics],
                pool=names.pool("monitor"),
                task_display_name="day to page",
            )
            def monitor() -> dict[str, Any]:
                """Drift, performance, freshness, volume, quarantine rate; metrics and one page."""
                from pipelines.nightly.monitor.stage import monitor as stage

                return run_stage(stage, use_case.name, [metrics])

            account = monitor()
        with TaskGroup("react", tooltip="what follows from it"):

            @task(outlets=[drift], task_display_name="ask for a retrain")
            def ask_for_training(account: dict[str, Any]) -> str:
                """Emit the drift asset where the day asks for a retrain, and be skipped
                elsewhere.
                """
                from pipelines.accounts.monitor import MonitorAccount

                watched = MonitorAccount.from_json(account)
                if not watched.asks_for_training:
                    raise AirflowSkipException("no retrain asked for")
                get_current_context()["outlet_events"][drift].extra = {
                    "reason": watched.retrain_reason
                }
                return watched.retrain_reason

            ask_for_training(account)

            @task(task_display_name="release on or back")
            def roll_out() -> dict[str, Any]:
                """A release that is tried out goes on after enough clean days; a failed guardrail
                undoes it.
                """
                from pipelines.nightly.rollout.stage import rollout as stage

                return run_stage(stage, use_case.name)

            account >> roll_out()
    return dag


for declared in use_cases():
    build(declared)
