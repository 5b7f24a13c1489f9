"""What a person may do from a release's page: the same functions as on the command line and in
Airflow's approval.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.base.errors import PermanentError, UsageError
from pipelines.run import Run

ACTIONS = ("rollback", "approve", "reject")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A form as it was posted.

    `to` and `generation` (the move of the pointer that the page showed): of a rollback.
    """

    release: str
    to: str
    generation: int
    reason: str


def perform(run: Run, action: str, order: Asked) -> str:
    """Do it in the name of the run's actor; returns the release whose page to show then.

    Raises `PermanentError` where the pointer has moved since the page was loaded, and what
    `rollback`, `approve` and `reject` raise; `UsageError` without a reason. Nothing is changed in
    all of these cases.
    """
    if not order.reason:
        raise UsageError(
            "a reason is needed, for the records; nothing was changed",
            expected="a reason",
            found="none",
            next_step="write why into the form's reason, and send it again",
        )
    if action == "rollback":
        return _roll_back(run, order)
    return _answer(run, action, order)


def _roll_back(run: Run, order: Asked) -> str:
    from pipelines.releases.alias import follow_later
    from pipelines.releases.undo import rollback

    pointer = run.ledger.champion()
    if pointer is not None and pointer.generation != order.generation:
        raise PermanentError(
            "the pointer has moved since the page was loaded; nothing was changed",
            expected=f"move {order.generation}",
            found=f"move {pointer.generation}, champion {pointer.release_id}",
            next_step="load the page again and decide again",
        )
    done = rollback(run, order.to or None, reason=order.reason)
    follow_later(run.settings)
    return done.after


def _answer(run: Run, action: str, order: Asked) -> str:
    from pipelines.releases.alias import follow_later
    from pipelines.releases.approval import approve, reject

    answer = approve if action == "approve" else reject
    answer(run, order.release, approver=run.actor, reason=order.reason)
    follow_later(run.settings)
    return order.release
