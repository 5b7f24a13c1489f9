"""How a task fails: its log ends in one block that tells whoever is on call what broke and what to
type next.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.airflow.names import Orchestration
from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.errors import TollgateError
from pipelines.base.log_block import log_block
from pipelines.base.masking import mask_secrets, secret_values
from pipelines.lake.errors import spark_said

log = logging.getLogger("tollgate.failure")

RUNBOOKS = {
    "train": "docs/runbooks/train-failed.md",
    "train_weekly": "docs/runbooks/train-failed.md",
}
FALLBACK_RUNBOOK = "docs/runbooks/task-failed.md"


def failure_callbacks(use_case: str, stage: str) -> dict[str, Callable[[Mapping[str, Any]], None]]:
    """The callbacks of a task of `stage`: one for the last failure, one for a failure that is tried
    again.
    """

    def failed(context: Mapping[str, Any]) -> None:
        try:
            _report(context, use_case, stage)
        finally:
            log.error("\n%s", block(context, use_case, stage))

    def retried(context: Mapping[str, Any]) -> None:
        log.warning("\n%s", block(context, use_case, stage, will_retry=True))

    return {"on_failure_callback": failed, "on_retry_callback": retried}


def _report(context: Mapping[str, Any], use_case: str, stage: str) -> None:
    """Open the incident of this failure; what goes wrong here must not hide the failure itself.

    A slip in the partition key opens none: who made it reads the block.
    """
    from pipelines.nightly.monitor.incidents import stage_failed
    from plugins.tollgate_airflow.partition import PartitionKeyError, partition_day, run_of

    error = _cause(context.get("exception"))
    if isinstance(error, PartitionKeyError):
        log.info(
            "no incident: the run was started by hand with a partition key that is no day to be run"
        )
        return
    try:
        day = partition_day(context) if context["dag_run"].partition_key else None
        stage_failed(run_of(context, use_case), stage, day, error)
    except Exception:
        log.exception("the incident of this failure could not be recorded")


def block(
    context: Mapping[str, Any], use_case: str, stage: str, *, will_retry: bool = False
) -> str:
    """What failed, for which day, expected and found, what is held back, the next command, the
    runbook's page.
    """
    error = _cause(context.get("exception"))
    fields = error.fields() if isinstance(error, TollgateError) else _foreign(error)
    day = _day(context, error)
    task = context["task_instance"]
    names = Orchestration(use_case)
    of_day = f" for {day}" if day else ""
    lines = {
        (
            "RETRY" if will_retry else "FAILED"
        ): f"{task.dag_id}.{task.task_id}{of_day}, try {task.try_number}",
        "what": fields.pop("what"),
        **{
            label: text
            for label, text in fields.items()
            if label not in {"day", "held back", "runbook"}
        },
        "held back": _held_back(names, stage, day, will_retry=will_retry),
        "again": _again(names, stage, day, will_retry=will_retry),
        "runbook": fields.get("runbook") or RUNBOOKS.get(stage, FALLBACK_RUNBOOK),
    }
    return log_block(lines, use_case=names.use_case)


def _day(context: Mapping[str, Any], error: BaseException | None) -> str:
    """The day that the run is for; empty where it has none, or a key that is no day to be run."""
    from plugins.tollgate_airflow.partition import PartitionKeyError

    return "" if isinstance(error, PartitionKeyError) else (context["dag_run"].partition_key or "")


def _cause(error: BaseException | None) -> BaseException | None:
    """The error of ours that Airflow's own wraps, where there is one."""
    inner = error.__cause__ if error is not None else None
    return (
        inner
        if isinstance(inner, TollgateError) and not isinstance(error, TollgateError)
        else error
    )


def _foreign(error: BaseException | None) -> dict[str, str]:
    if error is None:
        return {"what": "the task was ended from outside (time limit, memory, or by hand)"}
    first = next(iter(str(error).strip().splitlines()), "no message")
    text = mask_card_numbers(mask_secrets(spark_said(error) or first, secret_values(os.environ)))
    return {"what": type(error).__name__, "found": text, "next step": "read the traceback above"}


def _held_back(names: Orchestration, stage: str, day: str, *, will_retry: bool) -> str:
    dags = names.held_back(stage)
    if not dags or not day:
        return ""
    until = "until a try succeeds" if will_retry else "until this succeeds"
    return f"{', '.join(dags)} of {day}, {until}; their tables stay as they are"


def _again(names: Orchestration, stage: str, day: str, *, will_retry: bool) -> str:
    if will_retry:
        return "nothing to type yet: Airflow tries again by itself"
    if not day:
        return (
            f"in Airflow, trigger {names.dag_id(stage)} again with the day (YYYY-MM-DD) as"
            " partition key"
        )
    if names.held_back(stage) or stage == "monitor":
        return f"tollgate backfill --from {day} --to {day}"
    return f"in Airflow, clear this run of {names.dag_id(stage)}"
