"""Approval by a person: where a release waits for one, what it is asked with, and what follows from
yes and no.

A release waits where its verdict asks for a person, or where it is approved in a use case of the
high-risk tier.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from pipelines.accounts.audit import ApprovalDetail, RejectionDetail
from pipelines.accounts.evaluation import VerdictAccount
from pipelines.accounts.train import TrainAccount
from pipelines.base.errors import PermanentError
from pipelines.pages.document import Document, Grid, Section, Text
from pipelines.releases.promotion import Promoted, promote, standing_of
from pipelines.run import Run

if TYPE_CHECKING:
    from pipelines.usecases.definition import UseCase

RUNBOOK = "docs/runbooks/approval.md"


def approve(run: Run, release_id: str, *, approver: str, reason: str) -> Promoted:
    """Let a waiting release begin its way to champion, in the approver's name: an audit entry, then
    a promotion.

    Done twice it changes nothing more. Raises `PermanentError` where the release does not wait (any
    more), or where `promote` refuses it all the same: it is older than what decides or is tried out
    by now.
    """
    person = replace(run, actor=approver)
    state = _state(person, release_id)
    if state in {"shadow", "canary", "champion"}:
        return standing_of(person, release_id, reason)
    _require_waiting(person, release_id, state)
    _answer(person, release_id, ApprovalDetail(reason=reason))
    return promote(person, release_id, reason=f"approved by {approver}: {reason}")


def reject(run: Run, release_id: str, *, approver: str, reason: str) -> None:
    """Refuse a waiting release in that name; nothing moves.

    Raises `PermanentError` where it does not wait.
    """
    person = replace(run, actor=approver)
    state = _state(person, release_id)
    if state == "refused" and was_rejected(person, release_id):
        return
    _require_waiting(person, release_id, state)
    _answer(person, release_id, RejectionDetail(reason=reason))
    resolution = f"rejected by {approver}: {reason}"
    person.ledger.set_state(
        release_id, "refused", reason=resolution, actor=approver, at=person.clock()
    )


def was_rejected(run: Run, release_id: str) -> bool:
    """Whether a person has said no to the release."""
    return any(entry.subject == release_id for entry in run.ledger.audit_entries(RejectionDetail))


def why_a_person(use_case: UseCase, decision: str) -> str:
    """Why a person has to say yes to a release with that verdict; nothing where the policy alone
    lets it go on.
    """
    if decision == "needs a person":
        return "the verdict asks for a person"
    if decision == "approved" and use_case.rollout.risk_tier == "high":
        return f"{use_case.name} is of the high-risk tier"
    return ""


def request(use_case: UseCase, account: TrainAccount) -> dict[str, str] | None:
    """What a person is asked after a training (by its account): `release`, `subject`, `body`.

    The body is Markdown: why a person is asked, the verdict, what approval does, figures of all
    contenders, every check with what it found (differences with their intervals). None where nobody
    has to be asked.
    """
    verdict = account.verdict or VerdictAccount()
    why = why_a_person(use_case, verdict.decision or "")
    if account.state != "candidate" or not why:
        return None
    release = account.release
    body = Document(
        f"May {release} go into production?", _sections(use_case, account, verdict, why)
    )
    return {
        "release": release,
        "subject": f"{use_case.name}: may {release} decide?",
        "body": body.to_markdown(),
    }


def _sections(
    use_case: UseCase, account: TrainAccount, verdict: VerdictAccount, why: str
) -> list[Section]:
    metrics = account.metrics
    names = list(dict.fromkeys(chain.from_iterable(metrics.values())))
    days = account.training.test_days if account.training else ()
    tested = (
        f"{account.n_test:,} events of {' to '.join(map(str, days))}, {account.n_test_positive:,}"
        " of them positive."
    )
    rows = [(name, *(figures.get(name) for figures in metrics.values())) for name in names]
    checks = [(check.name, check.outcome, check.found) for check in verdict.checks]
    return [
        Section(
            "Question",
            (
                Text(f"A person is asked, as {why}."),
                Text(verdict.summary),
                Text(_follows(use_case)),
            ),
        ),
        Section("Figures", (Text(tested), Grid(("metric", *metrics), rows))),
        Section("Checks", (Grid(("check", "outcome", "found"), checks),)),
    ]


def _follows(use_case: UseCase) -> str:
    policy = use_case.rollout
    way = [f"{policy.shadow_days} days in shadow"] if policy.shadow_days else []
    way += [f"{policy.canary_days} days in canary"] if policy.canary_days else []
    return (
        f"Approved, it goes on to champion, by {' and '.join(way) or 'one move'}. Rejected, what"
        " decides now goes on."
    )


def _state(run: Run, release_id: str) -> str:
    run.ledger.release(release_id)
    states = run.ledger.states(release_id)
    return states[-1]["state"] if states else "candidate"


def _require_waiting(run: Run, release_id: str, state: str) -> None:
    if state != "candidate":
        raise PermanentError(
            "the release does not wait for an answer any more",
            where=run.ledger.where,
            expected=f"{release_id} to be a candidate",
            found=f"{release_id} is {state}",
            next_step="tollgate releases says what became of it",
            runbook=RUNBOOK,
        )


def _answer(run: Run, release_id: str, answer: ApprovalDetail | RejectionDetail) -> None:
    """An audit entry, once for each person and answer."""
    entries = run.ledger.audit_entries(type(answer))
    if not any((entry.subject, entry.actor) == (release_id, run.actor) for entry in entries):
        run.ledger.audit(release_id, answer, actor=run.actor, at=run.clock())
