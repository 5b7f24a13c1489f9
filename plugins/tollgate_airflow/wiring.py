"""What all DAGs share: owners, retries by kind of error, failure blocks, parameters, assets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, ExceptionRetryPolicy, Param, RetryAction, RetryRule

from pipelines.airflow.names import Orchestration
from pipelines.base.errors import NotArrivedError, PermanentError
from pipelines.base.settings import Settings
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load_all
from plugins.tollgate_airflow.failure import failure_callbacks

RETRIES = 6
LONGEST_DELAY = timedelta(minutes=30)
TIME_LIMIT = timedelta(hours=2)
WAITING_RUNS = 8
"""Runs of one DAG at a time: one that waits for a retry must not keep the day that it waits for
from running.
"""

PARTITION_KEY = "%Y-%m-%d"


def use_cases() -> tuple[UseCase, ...]:
    """Every use case whose declaration loads: each gets DAGs of its own.

    The others are in `dags/declarations_dag.py`.
    """
    return load_all().use_cases


def dag_arguments(use_case: UseCase, stage: str, *, title: str, doc: str) -> dict[str, Any]:
    """Arguments of the DAG of a stage."""
    return {
        "dag_id": Orchestration(use_case.name).dag_id(stage),
        "dag_display_name": f"{use_case.name}: {title}",
        "description": doc.strip().splitlines()[0],
        "doc_md": doc,
        "catchup": False,
        "max_active_runs": WAITING_RUNS,
        "tags": {"tollgate", use_case.name, stage},
        "default_args": {
            "owner": use_case.owner,
            **_retries(),
            **failure_callbacks(use_case.name, stage),
        },
    }


def span_parameter() -> dict[str, Param]:
    """The typed parameter with which one run does several days at once."""
    return {
        "span_days": Param(
            1,
            type="integer",
            minimum=1,
            maximum=400,
            title="days",
            description=(
                "how many days, ending with the partition's own, this run does in one go (repairs"
                " of history)"
            ),
        )
    }


def asset(use_case: UseCase, what: str) -> Asset:
    """Something that a stage makes and another waits for, partitioned by day (YYYY-MM-DD)."""
    return Asset(
        name=Orchestration(use_case.name).asset(what),
        uri=f"tollgate://{use_case.name}/{what}",
        group=use_case.name,
    )


def _retries() -> dict[str, Any]:
    first = timedelta(seconds=Settings.from_environment().retry_seconds)
    return {
        "retries": RETRIES,
        "retry_delay": first,
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": LONGEST_DELAY,
        "execution_timeout": TIME_LIMIT,
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(
                    exception=PermanentError,
                    action=RetryAction.FAIL,
                    reason="trying again changes nothing",
                ),
                RetryRule(
                    exception=NotArrivedError,
                    retry_delay=60 * first,
                    reason="the feed has not arrived; looking again",
                ),
            ]
        ),
    }
