"""Release: bundle, MLflow, ledger row, pointer, alias, in that order: a crash leaves the old champion or the new.

Each step finds what an earlier attempt left and goes on from there; the ledger decides, MLflow's alias follows it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.platform.errors import StoreError
from pipelines.platform.ledger import Pointer
from pipelines.platform.tracking import RegisteredModel, Tracking
from pipelines.release.bundle import Bundle, releases_folder, write_bundle
from pipelines.release.candidate import Candidate
from pipelines.release.registration import model_record
from pipelines.release.verdict import Evaluation
from pipelines.run import Run

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Released:
    """What became of a candidate: `state` is `champion`, `refused` or `retired`.

    `promoted`: this call made it champion. `known`: the ledger had this very release before. `warnings` say what did
    not stop the release but has to be put right.
    """

    state: str
    promoted: bool
    known: bool
    payload: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def release(
    run: Run,
    candidate: Candidate,
    evaluation: Evaluation,
    record: Mapping[str, Any],
    *,
    champion: Pointer | None,
    reason: str,
) -> Released:
    """Register a candidate and make it champion where the verdict approves it.

    `record` is its release record; `champion` is the pointer against which it was judged: if another promotion moved it
    meanwhile, `PermanentError`. `reason` says why it was trained. Raises `StoreError` where a store fails; whatever was
    done until then is found and used by the next attempt.
    """
    release_id = candidate.release_id
    known = release_id in {earlier.release_id for earlier in run.ledger.releases()}
    if not known:
        bundle = write_bundle(
            releases_folder(run.settings.home),
            release_id,
            model=candidate.model,
            record=record,
            reference=candidate.reference,
        )
        entry = model_record(record, candidate, evaluation, run.use_case, reason=reason)
        registered = Tracking(run.settings, run.use_case.name).record(entry)
        run.ledger.add_release(release_id, _payload(bundle, registered, reason), at=run.clock())
    state, promoted = _decide(run, release_id, evaluation, champion)
    return Released(
        state=state,
        promoted=promoted,
        known=known,
        payload=run.ledger.release(release_id).payload,
        warnings=_mirror_alias(run),
    )


def _payload(bundle: Bundle, registered: RegisteredModel, reason: str) -> dict[str, Any]:
    """What the ledger keeps: the record inside the bundle, and what vouches for it."""
    return {
        **bundle.record,
        "manifest_digest": bundle.manifest_digest,
        "model_version": registered.version,
        "mlflow_run_id": registered.run_id,
        "trained_because": reason,
    }


def _decide(run: Run, release_id: str, evaluation: Evaluation, champion: Pointer | None) -> tuple[str, bool]:
    """The release's state after the verdict, and whether this call made it champion."""
    now = run.clock()
    verdict = evaluation.verdict
    states = [entry["state"] for entry in run.ledger.states(release_id)]
    run.ledger.audit("verdict", release_id, actor=run.actor, at=now, detail=verdict.to_json())
    if champion is not None and champion.release_id == release_id:
        return "champion", False
    if "retired" in states:
        return "retired", False
    if verdict.decision != "approved":
        state = "refused" if verdict.decision == "refused" else "candidate"
        if states[-1:] != [state]:
            run.ledger.set_state(release_id, state, reason=verdict.summary, actor=run.actor, at=now)
        return state, False
    run.ledger.move_champion(release_id, expected=champion, reason=verdict.summary, actor=run.actor, at=now)
    return "champion", True


def _mirror_alias(run: Run) -> tuple[str, ...]:
    """Let MLflow's alias follow the ledger's pointer; where it cannot, say so: the pointer is what counts."""
    pointer = run.ledger.champion()
    if pointer is None:
        return ()
    version = str(run.ledger.release(pointer.release_id).payload["model_version"])
    tracking = Tracking(run.settings, run.use_case.name)
    try:
        if tracking.champion_version() != version:
            tracking.mirror_champion(version)
    except StoreError as error:
        LOGGER.warning("the alias in MLflow does not follow the ledger yet: %s", error)
        return (f"MLflow's alias does not name version {version} yet; the next training puts it right",)
    return ()
