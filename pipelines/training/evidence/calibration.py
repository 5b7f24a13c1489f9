"""Are scores probabilities?

Brier score against the champion's, and how far observed shares are from mean scores.

Reliability (as the card's plot shows it): rows in order of score, cut into groups with equally many
positives; the error is the mean over rows of |observed share - mean score|.
"""

from __future__ import annotations

import numpy as np

from pipelines.problems.metrics import Array
from pipelines.releases.scorer import Scorer
from pipelines.releases.verdict import CANDIDATE, CHAMPION, Check, not_applicable
from pipelines.training.evidence.bootstrap import Interval, interval
from pipelines.training.evidence.contest import Contest

NAME, GROUPS = "calibration", 10


def reliability(label: Array, score: Array, groups: int = GROUPS) -> list[tuple[float, float, int]]:
    """(mean score, observed share, rows) of groups that are cut, along the score, at equal numbers
    of positives.
    """
    order = np.argsort(score, kind="stable")
    ranked, hits = score[order], label[order]
    positives = np.cumsum(hits)
    group = np.minimum((positives * groups / max(positives[-1], 1)).astype(int), groups - 1)
    return [
        (float(ranked[group == g].mean()), float(hits[group == g].mean()), int(np.sum(group == g)))
        for g in np.unique(group)
    ]


def reliability_error(label: Array, score: Array) -> float:
    """Mean over rows of |observed share - mean score| of their group."""
    groups = reliability(label, score)
    return sum(abs(mean - share) * rows for mean, share, rows in groups) / max(1, len(label))


def calibration_holds(contest: Contest, champion: Scorer) -> Check:
    """Failed where a Brier score above the champion's by more than the policy's share is proven.

    Without a champion the rival is to say of every event the share of positives on the test days.
    """
    share = contest.policy.brier_margin
    question = f"Is a Brier score of more than {share:.0%} above the champion's not proven?"
    if not 0 < contest.label.sum() < len(contest.label):
        return not_applicable(NAME, question, "the test days do not have events of both kinds")

    candidate_error = (contest.scores[CANDIDATE] - contest.label) ** 2
    constant = np.full(len(contest.label), contest.label.mean())
    rival_error = (
        (constant if champion.fallback else contest.scores[CHAMPION]) - contest.label
    ) ** 2
    rise = _mean_difference(contest, candidate_error - rival_error)
    against = "always the mean share" if champion.fallback else "the champion"

    expected = float(contest.scores[CANDIDATE].sum())
    errors = {CANDIDATE: reliability_error(contest.label, contest.scores[CANDIDATE])}
    if not champion.fallback:
        errors[CHAMPION] = reliability_error(contest.label, contest.scores[CHAMPION])

    return Check(
        name=NAME,
        question=question,
        outcome="failed" if rise.low > share * float(rival_error.mean()) else "passed",
        found=f"Brier score {candidate_error.mean():.5f} against {rival_error.mean():.5f} of"
        f" {against}; scores expect {expected:,.0f} positives,"
        f" {contest.label.sum():,.0f} were there",
        figures={
            "brier_score": float(candidate_error.mean()),
            "against": float(rival_error.mean()),
            "margin": share,
            "expected_positives": expected,
            "positives": float(contest.label.sum()),
            **{f"reliability_error_{name}": value for name, value in errors.items()},
            **rise.figures("difference"),
        },
        table=[
            {"mean score": mean, "observed share": observed, "events": rows}
            for mean, observed, rows in reliability(contest.label, contest.scores[CANDIDATE])
        ],
    )


def _mean_difference(contest: Contest, value: Array) -> Interval:
    rows = len(value)
    return interval(
        float(value.mean()), contest.resampling.totals(value) / rows, level=contest.policy.level
    )
