"""Evaluate: a candidate against the rule, a logistic regression and the champion on the same later
days; the verdict.

What is evaluated is the booster loaded back from the bytes that would be released, through the
production scorer.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from pipelines.accounts.parity import ParityAccount
from pipelines.accounts.served import ServedAccount
from pipelines.base.days import DayRange, midnight
from pipelines.problems.metrics import Array
from pipelines.releases.scorer import Scorer, rule_scorer
from pipelines.releases.verdict import (
    CANDIDATE,
    CHAMPION,
    LOGISTIC,
    RULE,
    Check,
    Evaluation,
    Verdict,
)
from pipelines.training.candidate import Candidate
from pipelines.training.evidence.calibration import calibration_holds
from pipelines.training.evidence.champion import beats_logistic, beats_rule, keeps_up
from pipelines.training.evidence.contest import Contest
from pipelines.training.evidence.cost import money_holds
from pipelines.training.evidence.golden import golden_holds
from pipelines.training.evidence.label_health import labels_are_plausible
from pipelines.training.evidence.late_reports import reports_are_in_time
from pipelines.training.evidence.leaks import (
    Rebuilt,
    frame_is_rebuilt,
    known_in_time,
    no_feature_alone,
    parity_holds,
)
from pipelines.training.evidence.loading import loads
from pipelines.training.evidence.served import served_holds
from pipelines.training.evidence.slices import slices_hold
from pipelines.training.fitting import fit_logistic, logistic_scores, matrix_of
from pipelines.training.frames import judged, labels_at
from pipelines.training.golden_store import GoldenSet
from pipelines.training.search import figures
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    frame: pd.DataFrame,
    use_case: UseCase,
    candidate: Candidate,
    champion: Scorer,
    champion_as_of: date | None = None,
    *,
    golden: GoldenSet | None = None,
    parity: ParityAccount | None = None,
    served: ServedAccount | None = None,
    rebuilt: Rebuilt | None = None,
    first_day: date | None = None,
) -> Evaluation:
    """Judge a candidate on its test days, with the labels known at its `as_of`.

    `frame` is a training frame that also holds the champion's feature columns, the entity keys and
    what the use case's slices look at. `champion` is what scores now: the rule where there is no
    champion yet. `champion_as_of` is the day as of which the champion was trained. `golden`: the
    frozen cases; `parity`: the newest result of a parity within the policy's days; `served`: the
    newest comparison of what was answered online, likewise; `rebuilt`: the digests of the frame
    read twice; `first_day`: the first day that the lake holds, before which no window reaches. What
    is not handed in is a check that is not applicable. Nothing here reads a lake or a ledger.
    """
    rows, label = judged(frame, use_case, candidate.split, midnight(candidate.as_of))
    scores, compared = _compare(rows, label, use_case, candidate, champion)
    contest = Contest.of(rows, label, scores, use_case)
    checks = (
        *_of_models(
            contest, frame, use_case, candidate, champion, champion_as_of, golden, first_day
        ),
        *_of_leaks(contest, use_case, candidate, parity, served, rebuilt),
        loads(contest, candidate),
    )
    return Evaluation(
        figures=compared,
        verdict=Verdict(checks=checks),
        label=label,
        scores=scores,
        inputs={
            "golden": {"version": golden.version, "digest": golden.digest} if golden else None,
            "frame": {"days": str(rebuilt.days), "digest": rebuilt.digest} if rebuilt else None,
        },
    )


def _of_models(
    contest: Contest,
    frame: pd.DataFrame,
    use_case: UseCase,
    candidate: Candidate,
    champion: Scorer,
    champion_as_of: date | None,
    golden: GoldenSet | None,
    first_day: date | None,
) -> tuple[Check, ...]:
    """Whether the candidate is good enough, as a whole and in each part."""
    return (
        _enough_evidence(contest.label, candidate),
        _scores_are_probabilities(contest.scores[CANDIDATE]),
        beats_rule(contest),
        beats_logistic(contest),
        keeps_up(contest, champion),
        _not_older(candidate, champion_as_of),
        _label_health(frame, use_case, candidate, first_day),
        reports_are_in_time(frame, use_case, midnight(candidate.as_of)),
        slices_hold(contest, champion, frame),
        golden_holds(golden, use_case, candidate.scorer, champion),
        calibration_holds(contest, champion),
        money_holds(contest, candidate.scorer, champion),
    )


def _of_leaks(
    contest: Contest,
    use_case: UseCase,
    candidate: Candidate,
    parity: ParityAccount | None,
    served: ServedAccount | None,
    rebuilt: Rebuilt | None,
) -> tuple[Check, ...]:
    """Whether what it learnt from is what it will be served."""
    return (
        known_in_time(candidate.feature_set, use_case.label.delay_days),
        no_feature_alone(contest, candidate.feature_set),
        parity_holds(parity, candidate.feature_set, use_case.evidence.parity_days),
        served_holds(served, use_case.serving),
        frame_is_rebuilt(rebuilt),
    )


def _compare(
    rows: pd.DataFrame, label: Array, use_case: UseCase, candidate: Candidate, champion: Scorer
) -> tuple[dict[str, Array], dict[str, dict[str, float]]]:
    """Scores and figures of all contenders on the same rows."""
    scorers: dict[str, Scorer] = {
        CANDIDATE: candidate.scorer,
        RULE: rule_scorer(use_case, reason="baseline"),
    }
    if not champion.fallback:
        scorers[CHAMPION] = champion
    scores = {
        name: scorer.score(matrix_of(rows, scorer.feature_names))
        for name, scorer in scorers.items()
    }
    scores[LOGISTIC] = _logistic(rows, use_case, candidate)
    compared = {name: figures(rows, label, score, use_case) for name, score in scores.items()}
    for name, scorer in scorers.items():
        compared[name] |= _decisions(rows, label, scores[name], scorer.threshold)
    return scores, compared


def _logistic(rows: pd.DataFrame, use_case: UseCase, candidate: Candidate) -> Array:
    names = candidate.feature_set.names
    model = fit_logistic(
        matrix_of(candidate.rows, names), candidate.label, seed=use_case.model.seed
    )
    return logistic_scores(model, matrix_of(rows, names))


def _decisions(
    rows: pd.DataFrame, label: Array, score: Array, threshold: float
) -> dict[str, float]:
    """What the threshold decides: precision, recall, decisions a day; and the Brier score of the
    probabilities.
    """
    decided = score >= threshold
    hits, positives = float(label[decided].sum()), float(label.sum())
    return {
        "threshold": threshold,
        "precision_at_threshold": hits / decided.sum() if decided.any() else float("nan"),
        "recall_at_threshold": hits / positives if positives else float("nan"),
        "decisions_per_day": float(decided.sum()) / max(1, rows["day"].nunique()),
        "brier_score": float(np.mean((score - label) ** 2)) if len(label) else float("nan"),
    }


def _enough_evidence(label: Array, candidate: Candidate) -> Check:
    positives = int(label.sum())
    return Check(
        name="enough_evidence",
        question="Are there events of both kinds on the test days?",
        outcome="passed" if 0 < positives < len(label) else "failed",
        found=f"{len(label):,} events, {positives:,} of them positive, on {candidate.split.test}",
        figures={"n_test": len(label), "n_test_positive": positives},
    )


def _scores_are_probabilities(score: Array) -> Check:
    good = bool(len(score)) and bool(np.all(np.isfinite(score) & (score >= 0) & (score <= 1)))
    varied = len(np.unique(score)) > 1
    summary = (
        f"{len(score):,} scores from {score.min():.4f} to {score.max():.4f}"
        if len(score)
        else "no scores"
    )
    return Check(
        name="scores_are_probabilities",
        question="Loaded as in production, does it give finite scores in [0, 1] that differ?",
        outcome="passed" if good and varied else "failed",
        found=summary,
    )


def _label_health(
    frame: pd.DataFrame, use_case: UseCase, candidate: Candidate, first_day: date | None
) -> Check:
    label = labels_at(frame, use_case, midnight(candidate.as_of))
    examined = DayRange(candidate.history.first, candidate.split.test.last)
    return labels_are_plausible(frame, label, use_case, examined, first_day=first_day)


def _not_older(candidate: Candidate, champion_as_of: date | None) -> Check:
    question = "Was it trained as of a day that is not before the champion's?"
    if champion_as_of is None:
        return Check(
            name="not_older",
            question=question,
            outcome="not applicable",
            found="there is no champion yet",
        )
    newer = candidate.as_of >= champion_as_of
    return Check(
        name="not_older",
        question=question,
        outcome="passed" if newer else "failed",
        found=f"as of {candidate.as_of}, the champion as of {champion_as_of}",
    )
