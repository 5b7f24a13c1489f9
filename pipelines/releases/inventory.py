"""What is in production and what was released: accounts of releases for people and programs."""

from __future__ import annotations

from typing import Any

from pipelines.accounts.release import ReleaseAccount
from pipelines.base.errors import PermanentError
from pipelines.ledger.ledger import Release
from pipelines.releases.bundle import BundleError
from pipelines.releases.facts import ReleaseRow, release_row, release_rows
from pipelines.releases.loading import release_bundle
from pipelines.releases.scorer import require_same_features
from pipelines.releases.succession import line_of_champions
from pipelines.releases.verdict import CANDIDATE
from pipelines.run import Run


def lineage(account: ReleaseAccount) -> dict[str, Any]:
    """What a release record says of where the model comes from, as plain data, in the order in
    which it is shown.
    """
    return {
        "model_digest": account.model_digest,
        "threshold": account.threshold,
        "training": account.training.to_json(),
        "data_versions": account.data_versions,
        "feature_set": account.feature_set.to_json(),
        "policy_digest": account.policy_digest,
        "code_version": account.code_version,
        "environment": account.environment,
        "seed": account.seed,
        "parameters": account.parameters,
        "mlflow_run_id": account.mlflow_run_id,
    }


def champion_account(run: Run) -> dict[str, Any]:
    """All that is known of the champion; `loadable` says whether scoring can use it, `problem` why
    not.

    Raises `PermanentError` where no release is champion yet.
    """
    pointer = run.ledger.champion()
    if pointer is None:
        releases = run.ledger.releases()
        raise PermanentError(
            "no release is champion: the declared rule decides",
            where=run.ledger.where,
            expected="a promoted release",
            found=f"{len(releases)} releases, none promoted",
            next_step=(
                "`tollgate releases` says why none was promoted; then tollgate train --as-of D"
                if releases
                else "tollgate train --as-of D"
            ),
        )
    release = run.ledger.release(pointer.release_id)
    problem = _problem(run, release)
    promotion = [
        entry for entry in run.ledger.states(release.release_id) if entry["state"] == "champion"
    ][-1]
    return {
        **_summary(run, release, release_row(run, release)),
        "loadable": not problem,
        "problem": problem,
        "promoted_at": promotion["recorded_at"],
        "promoted_by": promotion["actor"],
        "promoted_because": promotion["reason"],
        "generation": pointer.generation,
        "challenger": pointer.challenger,
        "challenger_state": pointer.challenger_state,
        "rolls_back_to": next(iter(line_of_champions(run.ledger.moves())[-2:-1]), None),
        **lineage(release.account),
        "metrics": release.account.evaluation.metrics,
        "verdict": release.account.evaluation.verdict.to_json(),
    }


def all_releases(run: Run) -> list[dict[str, Any]]:
    """A summary of each release, oldest first."""
    rows = {row.release: row for row in release_rows(run)}
    recorded = [release for release in run.ledger.releases() if release.release_id in rows]
    return [_summary(run, release, rows[release.release_id]) for release in recorded]


def _summary(run: Run, release: Release, row: ReleaseRow) -> dict[str, Any]:
    account = release.account
    return {
        "release": release.release_id,
        "state": row.state,
        "state_reason": row.state_reason,
        "as_of": str(account.as_of),
        "model_version": account.model_version,
        "primary_metric": account.evaluation.metrics[CANDIDATE][run.use_case.model.primary_metric],
        "created_at": release.created_at.isoformat(),
        "trained_because": account.trained_because,
        "decision": row.decision,
        "approver": row.approver,
        "override": row.override,
        "notes": row.notes,
        "incidents": [incident.to_json() for incident in row.incidents],
        "signed_by": account.signed_by,
        "history": run.ledger.states(release.release_id),
    }


def _problem(run: Run, release: Release) -> str:
    """Why scoring cannot use the release, or nothing; the model itself is not parsed for that."""
    try:
        bundle = release_bundle(run, release)
        require_same_features(bundle, run.use_case)
    except BundleError as error:
        return str(error)
    return ""
