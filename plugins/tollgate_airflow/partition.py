"""From Airflow's context to a stage's arguments: the day of the partition, and the run that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pipelines.platform.days import DayRange, parse_day
from pipelines.platform.errors import UsageError
from pipelines.platform.home import require_own_home
from pipelines.platform.settings import Settings
from pipelines.run import Run
from pipelines.usecases.registry import load


def partition_day(context: Mapping[str, Any]) -> date:
    """The day that this run is for; raises `UsageError` for a run without one (started by hand, the key left out)."""
    dag_run = context["dag_run"]
    if not dag_run.partition_key:
        raise UsageError(
            "this run has no partition, so it is not known which day it is for",
            where=f"{dag_run.dag_id}, run {dag_run.run_id}",
            expected="a partition key, for instance 2026-11-07",
            found="none",
            next_step="trigger it again with a partition key, or use `tollgate backfill --from DAY --to DAY`",
        )
    return parse_day(dag_run.partition_key, what="partition key")


def partition_days(context: Mapping[str, Any]) -> DayRange:
    """The days that a stage works on: `span_days` (a parameter, 1 by default) of them, ending with the partition's."""
    span = int(context["params"].get("span_days", 1))
    day = partition_day(context)
    return DayRange(day - timedelta(days=span - 1), day)


def run_of(context: Mapping[str, Any], use_case: str) -> Run:
    """The surroundings of a stage within this DAG run; its id is the DAG's with the run's.

    Raises `ConfigurationError` where the home has been moved away meanwhile: a task never makes another in its place.
    """
    dag_run = context["dag_run"]
    identity = f"{dag_run.dag_id}/{dag_run.run_id}"
    settings = Settings.from_environment()
    require_own_home(settings, may_make=False)
    return Run(settings, load(use_case), run_id=identity, actor="airflow")
