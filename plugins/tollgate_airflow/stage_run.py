"""A stage inside a task: called with the partition's days, its account to XCom and to the asset
events.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, get_current_context
from airflow.sdk.exceptions import AirflowFailException

from pipelines.base.days import DayRange
from pipelines.base.errors import NotArrivedError, TollgateError
from pipelines.run import Run
from plugins.tollgate_airflow.partition import partition_days, require_ended, run_of

if TYPE_CHECKING:
    from pipelines.accounts.account import Account
    from pipelines.nightly.result import StageResult

log = logging.getLogger(__name__)
STAGES = {
    "build_features": "features",
    "materialize": "features",
    "rollout": "monitor",
    "sampled_parity": "parity",
    "served_parity": "served",
}
"""Stages whose function has another name than the DAG that runs it."""

OF_TODAY = frozenset({"maintain"})
"""Stages whose partition is the day on which they run."""


def run_stage(
    stage: Callable[[Run, DayRange], StageResult[Account]],
    use_case: str,
    outlets: Iterable[Asset] = (),
) -> dict[str, Any]:
    """Run a stage for the run's days and return the account of the partition's own day, as plain
    data.

    A backfill fails at once where a day has not arrived: who asked for it waits for an answer, not
    for a file.
    """
    from pipelines.nightly.metering import metered

    context = get_current_context()
    days = partition_days(context)
    run = run_of(context, use_case)
    require_ended(context, run.clock().date(), today_too=stage.__name__ in OF_TODAY)
    log.info("%s of %s for %s", stage.__name__, use_case, days)
    begun = time.monotonic()
    try:
        result = metered(run, stage.__name__, days.last, lambda: stage(run, days))
    except NotArrivedError as error:
        if context["dag_run"].run_type == "backfill":
            raise AirflowFailException(error.what) from error
        raise
    finally:
        _release_spark(run)
    _done(run, stage.__name__, days.last)
    own_day = result.accounts.get(days.last)
    account = own_day.to_json() if own_day is not None else {}
    _warn(result)
    _describe(context, outlets, days.last, result.versions)
    log.info("%s done in %.2f s: %s", stage.__name__, time.monotonic() - begun, _figures(account))
    return account


def _done(run: Run, stage: str, day: date) -> None:
    """Close the incidents that this stage's failure or lateness had opened; a busy ledger leaves
    them to the next.
    """
    from pipelines.nightly.monitor.incidents import follow_deadlines, stage_done

    try:
        stage_done(run, STAGES.get(stage, stage), day)
        follow_deadlines(run)
    except TollgateError:
        log.warning("open incidents of %s were not looked at", stage, exc_info=True)


def _warn(result: StageResult[Account]) -> None:
    """Say in the task's log what the gate let pass."""
    from pipelines.status.gate_warnings import by_warning, gate_warnings

    warned = {day: gate_warnings(account) for day, account in result.accounts.items()}
    for warning, days in by_warning(warned):
        log.warning("gate %s: %s", warning.severity, warning.describe(days))


def _describe(
    context: Any, outlets: Iterable[Asset], day: date, versions: Mapping[str, int]
) -> None:
    """Say in the asset events which table versions they announce."""
    for asset in outlets:
        context["outlet_events"][asset].extra = {"day": str(day), "versions": dict(versions)}


def _release_spark(run: Run) -> None:
    """End the session on the Connect server; it would be kept there for an hour otherwise."""
    if "spark" in run.__dict__:
        run.spark.stop()


def _figures(account: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in account.items() if isinstance(value, int | float | str)}
    return ", ".join(f"{key} {value}" for key, value in plain.items()) or "nothing to tell"
