"""A person's answer to a training: asked in Airflow where a release waits for one, written to the
ledger by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from pipelines.base.errors import PermanentError
from plugins.tollgate_airflow.partition import run_of

TRAIN = "train"
PATIENCE = timedelta(days=6)
"""How long an answer is waited for: the next weekly training asks anew."""

RUNBOOK = "docs/runbooks/approval.md"
_ASKED = f"(ti.xcom_pull(task_ids='{TRAIN}')['approval'] or {{}})"


def release_approval(use_case: str) -> ReleaseApproval:
    """The task `approve`: its subject and body are those that the training of the run asks with."""
    return ReleaseApproval(
        task_id="approve",
        task_display_name="may it go on?",
        use_case=use_case,
        subject=f"{{{{ {_ASKED}.get('subject', 'nobody has to be asked') }}}}",
        body=f"{{{{ {_ASKED}.get('body', '') }}}}",
        params={
            "reason": Param(
                "", type="string", maxLength=500, description="why, as the ledger will say"
            )
        },
        response_timeout=PATIENCE,
    )


class ReleaseApproval(ApprovalOperator):
    """Asks whether the release of the run's training may go on; skipped where nobody has to be
    asked.

    A rejection is written to the ledger here, since Airflow skips what follows it. No answer is an
    error.
    """

    def __init__(self, *, use_case: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.use_case = use_case

    def execute(self, context: Any) -> Any:
        """Ask, or be skipped."""
        if not waiting(context):
            raise AirflowSkipException("no release waits for a person")
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Take the answer, and return it for the task that follows a yes.

        A rejection is written first: Airflow leaves this method by an exception where it skips what
        follows.
        """
        if self.REJECT in (event.get("chosen_options") or ()):
            from pipelines.releases.approval import reject

            reject(run_of(context, self.use_case), waiting(context), **named(event))
        return super().execute_complete(context, event)

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """No answer came in time: told as such, and not asked again."""
        if event["error_type"] != "timeout":
            super().process_trigger_event_error(event)
            return
        raise PermanentError(
            "nobody has said whether the release may go on",
            where=f"{self.dag_id}.{self.task_id}",
            expected=f"an answer within {PATIENCE.days} days",
            found="none; what decides now goes on, the release stays a candidate",
            next_step="clear this task to ask again, or let the next training ask for a newer one",
            runbook=RUNBOOK,
        )


def waiting(context: Mapping[str, Any]) -> str:
    """The release of the run's training that waits for a person; empty where none does."""
    account = context["ti"].xcom_pull(task_ids=TRAIN)
    return str((account["approval"] or {}).get("release", ""))


def promote_approved(use_case: str, context: Mapping[str, Any], approval: str) -> dict[str, Any]:
    """Start the approved release's way to champion in the approver's name; `approval` is the task
    that asked.
    """
    from pipelines.releases.approval import approve
    from pipelines.releases.page import refresh_release_pages

    answer, run = context["ti"].xcom_pull(task_ids=approval), run_of(context, use_case)
    done = approve(run, waiting(context), **named(answer))
    refresh_release_pages(run)
    return done.to_json()


def named(answer: Mapping[str, Any]) -> dict[str, str]:
    """Who answered, and why."""
    user = answer.get("responded_by_user") or {}
    reason = str(
        (answer.get("params_input") or {}).get("reason") or "answered in Airflow, no reason given"
    )
    return {"approver": str(user.get("name") or user.get("id") or "unknown"), "reason": reason}
