"""What is in production and what was released: accounts of releases for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.accounts.release import ReleaseAccount
from pipelines.base.errors import PermanentError
from pipelines.ledger.ledger import Release
from pipelines.ledger.releases import Pointer
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


@dataclass(frozen=True, kw_only=True)
class ReleaseSummary:
    """A release as lists show it. `history` are its states, oldest first; `primary_metric` is the
    candidate's on the test days; `approver` is a person's name or `policy`.
    """

    release: str
    created_at: datetime
    account: ReleaseAccount
    primary_metric: float | None
    row: ReleaseRow
    history: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        """The summary as plain data for `--json`."""
        return {
            "release": self.release,
            "state": self.row.state,
            "state_reason": self.row.state_reason,
            "as_of": str(self.account.as_of),
            "model_version": self.account.model_version,
            "primary_metric": self.primary_metric,
            "created_at": self.created_at.isoformat(),
            "trained_because": self.account.trained_because,
            "decision": self.row.decision,
            "approver": self.row.approver,
            "override": self.row.override,
            "notes": self.row.notes,
            "incidents": [incident.to_json() for incident in self.row.incidents],
            "signed_by": self.account.signed_by,
            "history": self.history,
        }


@dataclass(frozen=True, kw_only=True)
class ChampionSummary:
    """All that is known of the champion. `problem` says why scoring cannot use it (nothing where it
    can), `promotion` is the state that made it champion, `rolls_back_to` the champion before.
    """

    summary: ReleaseSummary
    problem: str
    promotion: dict[str, str]
    pointer: Pointer
    rolls_back_to: str | None

    @property
    def is_loadable(self) -> bool:
        """Whether scoring can use it."""
        return not self.problem

    def to_json(self) -> dict[str, Any]:
        """The account as plain data for `--json`."""
        account = self.summary.account
        return {
            **self.summary.to_json(),
            "loadable": self.is_loadable,
            "problem": self.problem,
            "promoted_at": self.promotion["recorded_at"],
            "promoted_by": self.promotion["actor"],
            "promoted_because": self.promotion["reason"],
            "generation": self.pointer.generation,
            "challenger": self.pointer.challenger,
            "challenger_state": self.pointer.challenger_state,
            "rolls_back_to": self.rolls_back_to,
            **lineage(account),
            "metrics": account.evaluation.metrics,
            "verdict": account.evaluation.verdict.to_json(),
        }


def champion_account(run: Run) -> ChampionSummary:
    """All that is known of the champion; raises `PermanentError` where there is none yet."""
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
    states = run.ledger.states(release.release_id)
    return ChampionSummary(
        summary=_summary(run, release, release_row(run, release)),
        problem=_problem(run, release),
        promotion=[state for state in states if state["state"] == "champion"][-1],
        pointer=pointer,
        rolls_back_to=next(iter(line_of_champions(run.ledger.moves())[-2:-1]), None),
    )


def all_releases(run: Run) -> list[ReleaseSummary]:
    """A summary of each release, oldest first."""
    rows = {row.release: row for row in release_rows(run)}
    recorded = [release for release in run.ledger.releases() if release.release_id in rows]
    return [_summary(run, release, rows[release.release_id]) for release in recorded]


def _summary(run: Run, release: Release, row: ReleaseRow) -> ReleaseSummary:
    metrics = release.account.evaluation.metrics[CANDIDATE]
    return ReleaseSummary(
        release=release.release_id,
        created_at=release.created_at,
        account=release.account,
        primary_metric=metrics[run.use_case.model.primary_metric],
        row=row,
        history=run.ledger.states(release.release_id),
    )


def _problem(run: Run, release: Release) -> str:
    """Why scoring cannot use the release, or nothing; the model itself is not parsed for that."""
    try:
        bundle = release_bundle(run, release)
        require_same_features(bundle, run.use_case)
    except BundleError as error:
        return str(error)
    return ""
