"""The drill `skew`: a feature leaks into training only, is stopped and named; with one definition
all figures agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pipelines.accounts.parity import ParityAccount
from pipelines.base.days import DayRange, midnight
from pipelines.base.settings import Settings
from pipelines.drills.bank import DAYS, FIRST_TRAINING, bank
from pipelines.drills.drill import Drill, Finding
from pipelines.drills.leak import leaking_feature, let_it_leak
from pipelines.ledger.ledger import Pointer
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.score.stage import score
from pipelines.parity.stage import parity
from pipelines.problems.metrics import Array, average_precision
from pipelines.releases.loading import release_bundle
from pipelines.releases.scorer import booster_scorer
from pipelines.releases.verdict import CANDIDATE
from pipelines.run import Run
from pipelines.training.candidate import training_split
from pipelines.training.data import current_versions, read_training_data
from pipelines.training.fitting import matrix_of
from pipelines.training.frames import judged
from pipelines.training.stage import TrainResult, train

if TYPE_CHECKING:
    import pandas as pd

NEEDED = DayRange(DAYS.first, FIRST_TRAINING - timedelta(days=1))
REPLAYED_EVENTS = 200
_SAME = 1e-12


def skew(settings: Settings) -> Sequence[Finding]:
    """Train on a leaking column, look who notices, and what serving would have got; then the same
    without the leak.
    """
    run = bank(settings, days=NEEDED)
    leaky = leaking_feature(run.use_case).name
    honest, label = _test_rows(run)
    before = run.ledger.champion()
    let_it_leak(run, NEEDED)
    parity_account, stopped = (
        parity(run, NEEDED.last, sample=REPLAYED_EVENTS),
        train(run, FIRST_TRAINING, reason="drill: leak"),
    )
    served = _served_by(run, stopped, honest, label)
    findings = [
        _parity_names(parity_account, leaky),
        _verdict_names(stopped, leaky),
        _differs(stopped, served),
    ]
    findings.append(_never_decides(run, stopped, before))
    build_features(run, NEEDED)
    clean = parity(run, NEEDED.last, sample=REPLAYED_EVENTS)
    released = train(run, FIRST_TRAINING, reason="drill: one definition")
    return (*findings, *_one_definition(run, clean, released, honest, label))


def _test_rows(run: Run) -> tuple[pd.DataFrame, Array]:
    """The events on which a training is judged, with the features as serving computes them, and
    their labels.
    """
    use_case = run.use_case
    names = use_case.feature_sets[use_case.model.feature_set].names
    data = read_training_data(run, FIRST_TRAINING, names, versions=current_versions(run))
    return judged(
        data.frame, use_case, training_split(use_case, FIRST_TRAINING), midnight(FIRST_TRAINING)
    )


def _served_by(run: Run, result: TrainResult, rows: pd.DataFrame, label: Array) -> float:
    """The metric that the model reaches on the features that serving has."""
    scorer = booster_scorer(
        release_bundle(run, result.release_id), run.use_case, model_version="drill"
    )
    return average_precision(label, scorer.score(matrix_of(rows, scorer.feature_names)))


def _parity_names(parity_account: ParityAccount, leaky: str) -> Finding:
    named = [name for name, count in parity_account.mismatches.items() if count]
    return Finding(
        expected=f"parity fails and names the feature: {leaky}",
        happened=", ".join(
            f"{name} differs for {parity_account.mismatches[name]} of"
            f" {parity_account.compared} events"
            for name in named
        )
        or "no feature differs",
        holds=named == [leaky],
    )


def _verdict_names(result: TrainResult, leaky: str) -> Finding:
    verdict = result.evaluation.verdict
    failed = [check for check in verdict.checks if check.outcome == "failed"]
    naming = [check for check in failed if leaky in check.found]
    return Finding(
        expected="the training is refused, by checks that name it",
        happened=f"{verdict.decision}: "
        + "; ".join(f"{check.name}: {check.found}" for check in naming or failed),
        holds=verdict.decision == "refused" and bool(naming),
    )


def _never_decides(run: Run, result: TrainResult, before: Pointer | None) -> Finding:
    pointer = run.ledger.champion()
    return Finding(
        expected="it never decides",
        happened=f"{result.released.state}; champion: {pointer.release_id if pointer else 'none'}",
        holds=result.released.state == "refused" and pointer == before,
    )


def _differs(result: TrainResult, served: float) -> Finding:
    offline = result.evaluation.figures[CANDIDATE]["average_precision"]
    return Finding(
        expected="why that was right: offline it looks far better than it would have served",
        happened=(
            f"average precision {offline:.4f} offline, {served:.4f} on the features that"
            " serving has"
        ),
        holds=offline > served + 0.1,
    )


def _one_definition(
    run: Run, clean: ParityAccount, released: TrainResult, rows: pd.DataFrame, label: Array
) -> tuple[Finding, ...]:
    offline = released.evaluation.figures[CANDIDATE]["average_precision"]
    served = _served(run, rows, label) if released.in_production else float("nan")
    return (
        Finding(
            expected="with the one definition parity holds",
            happened=(
                f"{sum(clean.mismatches.values())} of {clean.compared * len(clean.mismatches):,}"
                " values differ"
            ),
            holds=clean.holds,
        ),
        Finding(
            expected="the model is released",
            happened=f"{released.released.state}: {released.evaluation.verdict.summary[:200]}",
            holds=released.in_production,
        ),
        Finding(
            expected="offline and served metric agree",
            happened=(
                f"average precision {offline:.4f} offline, {served:.4f} by the stored predictions"
            ),
            holds=abs(offline - served) < _SAME,
        ),
    )


def _served(run: Run, rows: pd.DataFrame, label: Array) -> float:
    """The metric of what the score stage stored for the same events."""
    key, days = (
        run.use_case.stored_features.schema.id,
        training_split(run.use_case, FIRST_TRAINING).test,
    )
    score(run, days)
    stored = (
        run.lake.read("predictions", days=days)
        .select(key, "score")
        .toPandas()
        .set_index(key)["score"]
    )
    return average_precision(label, stored.loc[rows[key]].to_numpy())


SKEW = Drill(
    name="skew",
    description=(
        "a 30-day average leaks the current label into training only: it is stopped and named"
    ),
    injected=(
        "a training job's own 30-day average of labels: it counts the current event's label and"
        " asks not when labels were known; serving keeps the declared definition"
    ),
    happens=skew,
)
