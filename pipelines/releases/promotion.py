"""Promote: a person moves a release on, to the next state of the policy or past it; against the
rules with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pipelines.accounts.audit import ApprovalDetail, MoveDetail, VerdictDetail
from pipelines.accounts.evaluation import VerdictAccount
from pipelines.alerting.incidents import settle_superseded
from pipelines.base.errors import PermanentError, UsageError
from pipelines.ledger.ledger import Move, Pointer
from pipelines.releases.loading import release_bundle
from pipelines.releases.scorer import require_same_features
from pipelines.run import Run

Stage = Literal["shadow", "canary", "champion"]
RUNBOOK = "docs/runbooks/rollback.md"


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What a promotion did: `state` is the release's now; `override` names what it went against, if
    anything.
    """

    release: str
    state: str
    champion: str
    challenger: str | None
    generation: int
    override: str | None
    reason: str
    changed: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return dict(vars(self))


def promote(
    run: Run, release_id: str, *, to: Stage | None = None, reason: str, override: bool = False
) -> Promoted:
    """Move a release on by one state of the rollout policy, or to the state `to`.

    What the policy would not do needs `override` and a reason: a release that was refused, was
    rolled back from, needs a person's approval and has none, or is older than what decides or is
    tried out; a state that is skipped. It is audited, and shown wherever the release is. The bundle
    is verified first. Raises `UsageError` for an override without a reason, `PermanentError` where
    an override is needed or another move was faster, `BundleError` where the bundle cannot be used.
    """
    if override and not reason.strip():
        raise UsageError(
            "an override needs a reason",
            expected="--reason TEXT",
            found="none",
            next_step='say why: --override --reason "…"',
        )
    pointer = run.ledger.champion()
    release = run.ledger.release(release_id)
    if pointer is not None and release_id == pointer.release_id:
        settle_superseded(run, release_id)
        return standing_of(run, release_id, reason)
    if pointer is not None and pointer.challenger == release_id and to == pointer.challenger_state:
        return standing_of(run, release_id, reason)
    chosen = to or next_state(run, pointer, release_id)
    against = _against(run, pointer, release_id, chosen)
    if against is not None and not override:
        raise PermanentError(
            "the release may not be moved on without an override",
            where=run.ledger.where,
            expected="an approved release, moved on by one state of the policy",
            found=f"{release_id}: {against.why}",
            next_step=f"{against.way_out}; against the rules: "
            f'tollgate promote {release_id} --to {chosen} --override --reason "WHY"',
            runbook=RUNBOOK,
        )
    require_same_features(release_bundle(run, release), run.use_case)
    moved = put(
        run, pointer, release_id, chosen, reason=reason, override=against.why if against else None
    )
    return _result(release_id, chosen, moved, against.why if against else None, reason)


def standing_of(run: Run, release_id: str, reason: str) -> Promoted:
    """What a promotion says of a release that has its place already: nothing was moved."""
    pointer = run.ledger.champion()
    assert pointer is not None
    state = "champion" if pointer.release_id == release_id else str(pointer.challenger_state)
    return _result(release_id, state, pointer, None, reason, changed=False)


def next_state(run: Run, pointer: Pointer | None, release_id: str) -> Stage:
    """The state that the rollout policy has after the release's: the first champion of a home is
    champion at once.
    """
    policy = run.use_case.rollout
    tried = pointer.challenger_state if pointer and pointer.challenger == release_id else None
    if pointer is None:
        return "champion"
    if tried is None and policy.shadow_days:
        return "shadow"
    if tried != "canary" and policy.canary_days:
        return "canary"
    return "champion"


def put(
    run: Run,
    pointer: Pointer | None,
    release_id: str,
    state: Stage,
    *,
    reason: str,
    override: str | None = None,
) -> Pointer:
    """Give the release this state by one move; a challenger whose place it takes retires.

    Raises as `Ledger.move`.
    """
    if pointer is None and state != "champion":
        raise PermanentError(
            "there is no champion beside which a release could be tried out",
            where=run.ledger.where,
            expected="champion as the first release's state",
            found=state,
            next_step=f"tollgate promote {release_id} --to champion",
        )
    challenger = pointer.challenger if pointer else None
    leaves = [(challenger, "retired")] if challenger and challenger != release_id else []
    if pointer is not None and state == "champion":
        leaves.append((pointer.release_id, "retired"))
    move = Move(
        kind="promote" if state == "champion" else state,
        subject=release_id,
        champion=release_id if state == "champion" or pointer is None else pointer.release_id,
        challenger=None if state == "champion" else release_id,
        challenger_state=None if state == "champion" else state,
        reason=reason,
        actor=run.actor,
        at=run.clock(),
        detail=MoveDetail(override=override) if override else MoveDetail(),
    )
    moved = run.ledger.move(move, expected=pointer, states=[*leaves, (release_id, state)])
    if state == "champion":
        settle_superseded(run, release_id)
    return moved


def newest_decision(run: Run, release_id: str) -> str:
    """The newest verdict: a candidate that is trained again is judged again, against the champion
    of then.
    """
    verdicts: list[VerdictAccount] = [
        entry.detail
        for entry in run.ledger.audit_entries(VerdictDetail)
        if entry.subject == release_id
    ]
    recorded = run.ledger.release(release_id).account.evaluation.verdict
    newest = verdicts[-1] if verdicts else recorded
    return newest.decision or "approved"


def older_than(run: Run, pointer: Pointer | None, release_id: str) -> str:
    """The champion or the challenger that was trained as of a later day than the release, in words;
    or nothing.
    """
    if pointer is None:
        return ""
    own_date = run.ledger.release(release_id).account.as_of
    rivals = [
        (pointer.release_id, "champion"),
        (pointer.challenger, f"in {pointer.challenger_state}"),
    ]
    for rival, state in rivals:
        rival_date = run.ledger.release(rival).account.as_of if rival else None
        if own_date is not None and rival_date is not None and rival_date > own_date:
            return f"{rival}, as of the later {rival_date}, is {state}"
    return ""


@dataclass(frozen=True)
class _Objection:
    """What speaks against a move, and what to do that needs no override."""

    why: str
    way_out: str


def _against(
    run: Run, pointer: Pointer | None, release_id: str, chosen: Stage
) -> _Objection | None:
    """What speaks against the move, or None."""
    decision = newest_decision(run, release_id)
    states = [entry["state"] for entry in run.ledger.states(release_id)]
    approved = any(
        entry.subject == release_id for entry in run.ledger.audit_entries(ApprovalDetail)
    )
    approval = (
        "have it approved, in the training's task or on its page in Model Ops"
        " (docs/runbooks/approval.md)"
    )
    newer = "train a newer one: tollgate train --as-of D"
    if decision == "refused":
        return _Objection(f"its verdict is {decision!r}", f"`tollgate releases` says why; {newer}")
    if decision == "needs a person" and not approved:
        return _Objection(f"its verdict is {decision!r}", approval)
    if run.use_case.rollout.risk_tier == "high" and not approved:
        return _Objection(
            f"{run.use_case.name} is of the high-risk tier and nobody has approved it", approval
        )
    if states[-1:] in (["retired"], ["refused"]):
        return _Objection(f"it is {states[-1]}", f"`tollgate releases` says why; {newer}")
    if older := older_than(run, pointer, release_id):
        return _Objection(older, newer)
    due = next_state(run, pointer, release_id)
    if chosen != due:
        way_out = f"tollgate promote {release_id} --to {due}"
        return _Objection(f"the policy has it in {due} next, not {chosen}", way_out)
    return None


def _result(
    release_id: str,
    state: str,
    pointer: Pointer,
    override: str | None,
    reason: str,
    *,
    changed: bool = True,
) -> Promoted:
    return Promoted(
        release=release_id,
        state=state,
        champion=pointer.release_id,
        challenger=pointer.challenger,
        generation=pointer.generation,
        override=override,
        reason=reason,
        changed=changed,
    )
