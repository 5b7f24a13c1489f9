"""Train: what was known at a day makes a candidate, which is evaluated on later days and released
or refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from pipelines.accounts.parity import ParityAccount
from pipelines.accounts.release import GoldenAccount
from pipelines.accounts.served import ServedAccount
from pipelines.accounts.train import TrainAccount
from pipelines.ledger.ledger import Pointer
from pipelines.mlflow.tracking import Tracking
from pipelines.problems.slice_rows import slice_columns
from pipelines.releases.scorer import load_champion
from pipelines.releases.verdict import Evaluation
from pipelines.run import Run, code_version
from pipelines.training.candidate import make_candidate
from pipelines.training.data import current_versions, read_again, read_training_data
from pipelines.training.evaluate import evaluate
from pipelines.training.golden import newest_golden
from pipelines.training.publish import Released, release
from pipelines.training.record import release_record

STAGE = TrainAccount.STAGE
Parity = TypeVar("Parity", ParityAccount, ServedAccount)


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A training's outcome: verdict (`approved`, `refused`, `needs a person`), what became of the
    release, figures.
    """

    as_of: date
    release_id: str
    evaluation: Evaluation
    released: Released

    @property
    def approved(self) -> bool:
        """Whether the verdict approves the release."""
        return self.evaluation.verdict.decision == "approved"

    @property
    def in_production(self) -> bool:
        """Whether the release decides, or is on its way to: what a training asks for."""
        return self.released.state in {"shadow", "canary", "champion"}

    def account(self) -> TrainAccount:
        """What the ledger keeps, without the reason for which it was asked."""
        record, evaluation = self.released.account, self.evaluation.account()
        return TrainAccount(
            as_of=self.as_of,
            release=self.release_id,
            state=self.released.state,
            state_reason=self.released.why,
            promoted=self.released.promoted,
            same_as_before=self.released.registered_before,
            model_version=record.model_version,
            model_digest=record.model_digest,
            mlflow_run_id=record.mlflow_run_id,
            training=record.training,
            data_versions=record.data_versions,
            threshold=record.threshold,
            n_test=evaluation.n_test,
            n_test_positive=evaluation.n_test_positive,
            metrics=evaluation.metrics,
            inputs=evaluation.inputs,
            verdict=evaluation.verdict,
            warnings=self.released.warnings,
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data for `--json`."""
        return self.account().to_json()


def train(run: Run, as_of: date, *, reason: str = "scheduled") -> TrainResult:
    """Train with what was known at `as_of` 00:00 UTC; an approved model starts its way to champion.

    A refusal is a result, not an error: what decides now goes on. Raises `PermanentError` where
    days or labels are missing, `TransientError` where another release became champion meanwhile,
    `StoreError` where a store does not answer; none changes the champion.
    """
    use_case = run.use_case
    Tracking(
        run.settings, use_case.name
    ).require_experiment()  # told now, not after minutes of training
    pointer, scorer = run.ledger.champion(), load_champion(run)
    names = use_case.feature_sets[use_case.model.feature_set].names
    columns = (*names, *scorer.feature_names, use_case.rule.column, *slice_columns(use_case))
    golden = newest_golden(run)
    data = read_training_data(
        run, as_of, columns, versions=current_versions(run, as_of), golden=golden
    )
    candidate = make_candidate(
        data.frame, use_case, as_of, forbidden=golden.keys_of(use_case) if golden else None
    )
    evaluation = evaluate(
        data.frame,
        use_case,
        candidate,
        scorer,
        _champion_as_of(run, pointer),
        golden=golden,
        parity=_newest(run, ParityAccount, as_of, run.use_case.evidence.parity_days),
        served=_newest(run, ServedAccount, as_of, run.use_case.serving.parity_days),
        rebuilt=read_again(run, as_of, columns, data, golden),
        first_day=min(run.ledger.latest("ingest", status="done"), default=None),
    )
    record = release_record(
        candidate,
        use_case,
        evaluation=evaluation,
        data_versions=data.versions,
        code=code_version(),
        golden=GoldenAccount(version=golden.version, digest=golden.digest) if golden else None,
    )
    released = release(run, candidate, evaluation, record, champion=pointer, reason=reason)
    result = TrainResult(
        as_of=as_of, release_id=candidate.release_id, evaluation=evaluation, released=released
    )
    _record(run, result, reason)
    return result


def _champion_as_of(run: Run, pointer: Pointer | None) -> date | None:
    if pointer is None:
        return None
    return run.ledger.release(pointer.release_id).account.as_of


def _newest(run: Run, kind: type[Parity], as_of: date, days: int) -> Parity | None:
    """The newest day's account of a parity, of a day at most `days` before `as_of` (or later)."""
    measured = run.ledger.latest(kind, first=as_of - timedelta(days=days))
    return measured[max(measured)].account if measured else None


def _record(run: Run, result: TrainResult, reason: str) -> None:
    account = result.account().replaced(reason=reason)
    status = "done" if result.approved else "refused"
    run.ledger.record_stage(result.as_of, account, status, run_id=run.run_id, at=run.clock())
