"""What is in production and what was released: accounts of releases for people and programs."""

from __future__ import annotations

from typing import Any

from pipelines.platform.errors import PermanentError
from pipelines.platform.ledger import Release
from pipelines.release.bundle import BundleError
from pipelines.release.loading import release_bundle
from pipelines.release.scorer import require_same_features
from pipelines.release.succession import line_of_champions, overrides
from pipelines.release.verdict import CANDIDATE
from pipelines.run import Run

LINEAGE = (
    "model_digest",
    "threshold",
    "training",
    "data_versions",
    "feature_set",
    "policy_digest",
    "code_version",
    "environment",
    "seed",
    "parameters",
    "mlflow_run_id",
)
"""What a release record says of where the model comes from, in the order in which it is shown."""


def champion_account(run: Run) -> dict[str, Any]:
    """All that is known of the champion; `loadable` says whether scoring can use it, `problem` why not.

    Raises `PermanentError` where no release is champion yet.
    """
    pointer = run.ledger.champion()
    if pointer is None:
        raise PermanentError(
            "no release is champion: the declared rule decides",
            where=run.settings.ledger,
            expected="a promoted release",
            found=f"{len(run.ledger.releases())} releases, none promoted",
            next_step="tollgate train --as-of D",
        )
    release = run.ledger.release(pointer.release_id)
    problem = _problem(run, release)
    promotion = [entry for entry in run.ledger.states(release.release_id) if entry["state"] == "champion"][-1]
    return {
        **_summary(run, release),
        "loadable": not problem,
        "problem": problem,
        "promoted_at": promotion["recorded_at"],
        "promoted_by": promotion["actor"],
        "promoted_because": promotion["reason"],
        "generation": pointer.generation,
        "challenger": pointer.challenger,
        "challenger_state": pointer.challenger_state,
        "rolls_back_to": next(iter(line_of_champions(run.ledger.moves())[-2:-1]), None),
        **{key: release.payload[key] for key in LINEAGE},
        "metrics": release.payload["evaluation"]["metrics"],
        "verdict": release.payload["evaluation"]["verdict"],
    }


def all_releases(run: Run) -> list[dict[str, Any]]:
    """A summary of each release, oldest first."""
    return [_summary(run, release) for release in run.ledger.releases()]


def _summary(run: Run, release: Release) -> dict[str, Any]:
    history = run.ledger.states(release.release_id)
    state = (history or [{"state": "candidate", "reason": "not judged to the end"}])[-1]
    payload = release.payload
    against = overrides(run.ledger.moves(), release.release_id)
    return {
        "release": release.release_id,
        "state": state["state"],
        "state_reason": state["reason"],
        "as_of": payload["as_of"],
        "model_version": payload["model_version"],
        "primary_metric": payload["evaluation"]["metrics"][CANDIDATE][run.use_case.model.primary_metric],
        "created_at": release.created_at.isoformat(),
        "trained_because": payload["trained_because"],
        "decision": payload["evaluation"]["verdict"]["decision"],
        "approver": _approver(run, release.release_id, against),
        "override": against[-1] if against else None,
        "signed_by": payload.get("signed_by"),
        "history": history,
    }


def _approver(run: Run, release_id: str, against: list[Any]) -> str | None:
    """Who let the release pass: the person who overrode or approved it, else the policy; None where nobody did."""
    approvals = [
        str(entry["actor"]) for entry in run.ledger.audit_entries("approval") if entry["subject"] == release_id
    ]
    people = [str(entry["actor"]) for entry in against] + approvals
    if people:
        return people[-1]
    states = {entry["state"] for entry in run.ledger.states(release_id)}
    return "policy" if states & {"shadow", "canary", "champion"} else None


def _problem(run: Run, release: Release) -> str:
    """Why scoring cannot use the release, or nothing; the model itself is not parsed for that."""
    try:
        bundle = release_bundle(run, release)
        require_same_features(bundle, run.use_case)
    except BundleError as error:
        return str(error)
    return ""
