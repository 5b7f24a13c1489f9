"""Undo: an earlier champion put back in one move, with its model, features and policy.

Imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.accounts.audit import MoveDetail
from pipelines.accounts.release import ReleaseAccount
from pipelines.base.errors import PermanentError
from pipelines.ledger.ledger import Move, NewIncident, Pointer
from pipelines.releases.bundle import BundleError
from pipelines.releases.loading import release_bundle
from pipelines.releases.scorer import booster_scorer, require_same_features
from pipelines.releases.succession import line_of_champions, was_champion
from pipelines.run import Run

RUNBOOK = "docs/runbooks/rollback.md"


@dataclass(frozen=True, kw_only=True)
class Undone:
    """A rollback: who was champion, who is, what came with it. `threshold` decides from now on."""

    before: str
    after: str
    pointer: Pointer
    reason: str
    threshold: float
    feature_set: str
    policy_digest: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        plain = {name: value for name, value in vars(self).items() if name != "pointer"}
        return {
            "release": self.after,
            **plain,
            "generation": self.pointer.generation,
            "challenger": self.pointer.challenger,
        }


def rollback(
    run: Run,
    to: str | None = None,
    *,
    reason: str,
    incident: NewIncident | None = None,
    told_on: date | None = None,
) -> Undone:
    """Put the champion before this one back (or `to`, which was champion once); history is added
    to, never changed.

    `told_on` is the day whose diagnosis asked for it, None where a person or a guardrail did.

    The release is verified, and known to be usable with today's feature definitions, before the
    pointer moves. Raises `PermanentError` where there is nothing to roll back to, where `to` never
    decided, or where another move was faster; `BundleError` where it cannot be used. The champion
    stays in all of these cases.
    """
    pointer = run.ledger.champion()
    target = _target(run, pointer, to)
    assert pointer is not None
    record = _usable(run, target)
    challenger = None if pointer.challenger == target else pointer.challenger
    move = Move(
        kind="rollback",
        subject=target,
        champion=target,
        challenger=challenger,
        challenger_state=pointer.challenger_state if challenger else None,
        reason=reason,
        actor=run.actor,
        at=run.clock(),
        detail=_detail(pointer.release_id, told_on),
    )
    states = [(pointer.release_id, "retired"), (target, "champion")]
    channels = run.settings.channels(incident.severity) if incident else ()
    moved = run.ledger.move(
        move, expected=pointer, states=states, incident=incident, channels=channels
    )
    return Undone(
        before=pointer.release_id,
        after=target,
        pointer=moved,
        reason=reason,
        threshold=record.threshold or 0.0,
        feature_set=record.feature_set.digest,
        policy_digest=run.ledger.release(target).account.policy_digest,
    )


def _detail(before: str, told_on: date | None) -> MoveDetail:
    if told_on is None:
        return MoveDetail(before=before)
    return MoveDetail(before=before, told_on=told_on)


def _target(run: Run, pointer: Pointer | None, to: str | None) -> str:
    moves = run.ledger.moves()
    line = line_of_champions(moves)
    if to is not None:
        run.ledger.release(to)
    if pointer is None or (to is None and len(line) < 2):
        raise PermanentError(
            "there is nothing to roll back to",
            where=run.ledger.where,
            expected="a champion before this one that was not itself rolled back from",
            found=(
                f"champion {pointer.release_id}, none before it"
                if pointer
                else "no champion at all"
            ),
            next_step=(
                "tollgate releases lists them; tollgate rollback --to RELEASE names one that was"
                " champion once"
            ),
            runbook=RUNBOOK,
        )
    if to is None:
        return line[-2]
    if to == pointer.release_id or not was_champion(moves, to):
        raise PermanentError(
            "a rollback goes to a release that decided before and does not now",
            where=run.ledger.where,
            expected=", ".join(
                dict.fromkeys(m.champion for m in moves if m.champion != pointer.release_id)
            )
            or "none",
            found=f"{to}, "
            + ("champion already" if to == pointer.release_id else "never champion"),
            next_step="a release that never decided is promoted: tollgate promote RELEASE",
            runbook=RUNBOOK,
        )
    return to


def _usable(run: Run, release_id: str) -> ReleaseAccount:
    """The bundle's record, after all that scoring asks of it; the model is parsed only by another
    XGBoost than then.
    """
    from importlib.metadata import version

    try:
        bundle = release_bundle(run, release_id)
        require_same_features(bundle, run.use_case)
        if bundle.record.environment.get("xgboost") != version("xgboost"):
            booster_scorer(bundle, run.use_case, model_version="")
    except BundleError as error:
        error.next_step = (
            f"restore it, or choose another: tollgate rollback --to RELEASE ({release_id} stays"
            " retired)"
        )
        error.runbook = RUNBOOK
        raise
    return bundle.record
