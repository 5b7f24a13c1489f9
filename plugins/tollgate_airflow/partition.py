"""From Airflow's context to a stage's arguments: the day of the partition, and the run that goes
with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pipelines.base.days import DayRange, parse_day, require_over
from pipelines.base.errors import UsageError
from pipelines.base.home import require_own_home
from pipelines.base.settings import Settings
from pipelines.homes.layout import require_layout
from pipelines.run import Run
from pipelines.usecases.registry import load

HOW_TO = (
    "trigger it again with the day as partition key, or type tollgate backfill --from DAY --to DAY"
)
EARLIEST = date(1970, 1, 1)


class PartitionKeyError(UsageError):
    """A run was started by hand with a partition key that is no day to be run: a slip, and its
    maker sees it here.

    The schedule never makes such a key. It opens no incident: nothing is missing, and nobody else
    can do anything.
    """


def partition_day(context: Mapping[str, Any]) -> date:
    """The day that this run is for.

    Raises `PartitionKeyError` for a run without one, with a key that is no day, or with a parameter
    that the DAG does not have.
    """
    _require_known_parameters(context)
    key = context["dag_run"].partition_key
    if not (key or "").strip():
        what = "this run has no partition, so it is not known which day it is for"
        raise _slip(
            context, what, expected="a partition key, for instance 2026-11-07", problem="none"
        )
    try:
        day = parse_day(key, what="the partition key")
    except UsageError as error:
        raise _slip(context, error.what, expected=error.expected, problem=error.found) from error
    if day < EARLIEST:
        raise _slip(
            context, "no day of this pipeline", expected=f"a day from {EARLIEST} on", problem=key
        )
    return day


def _require_known_parameters(context: Mapping[str, Any]) -> None:
    """Airflow takes any JSON as a run's configuration; a misspelled `span_days` would be passed
    over.
    """
    declared = getattr(context.get("dag"), "params", None)
    given = getattr(context["dag_run"], "conf", None) or {}
    unknown = [] if declared is None else sorted(set(given) - set(declared))
    if unknown:
        expected = ", ".join(sorted(declared or ())) or "no parameters"
        raise _slip(
            context,
            "a parameter that this DAG does not have",
            expected=expected,
            problem=", ".join(unknown),
        )


def require_ended(context: Mapping[str, Any], today: date, *, today_too: bool = False) -> None:
    """Raises `PartitionKeyError` for a run of a day that is not over at the beginning of `today`
    (UTC).

    `today_too` is for runs whose partition is the day on which they run.
    """
    day = partition_day(context)
    try:
        require_over(DayRange.single(day), today + timedelta(days=1) if today_too else today)
    except UsageError as error:
        raise _slip(context, error.what, expected=error.expected, problem=error.found) from error


def _slip(
    context: Mapping[str, Any], what: str, *, expected: str, problem: str
) -> PartitionKeyError:
    dag_run = context["dag_run"]
    where = f"{dag_run.dag_id}, run {dag_run.run_id}"
    return PartitionKeyError(
        what, where=where, expected=expected, found=problem, next_step=f"{HOW_TO}; nothing was done"
    )


def partition_days(context: Mapping[str, Any]) -> DayRange:
    """The days that a stage works on: `span_days` (a parameter, 1 by default) of them, ending with
    the partition's.
    """
    span = int(context["params"].get("span_days", 1))
    day = partition_day(context)
    return DayRange(day - timedelta(days=span - 1), day)


def run_of(context: Mapping[str, Any], use_case: str) -> Run:
    """The surroundings of a stage within this DAG run; its id is the DAG's with the run's.

    Raises `ConfigurationError` where the home has been moved away meanwhile: a task never makes
    another in its place.
    """
    dag_run = context["dag_run"]
    identity = f"{dag_run.dag_id}/{dag_run.run_id}"
    settings = Settings.from_environment().model_copy(update={"use_case": use_case})
    require_own_home(settings, may_make=False)
    require_layout(settings)
    return Run(settings, load(use_case), run_id=identity, actor="airflow")
