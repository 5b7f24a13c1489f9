"""Is the candidate better than the baselines, and no worse than the champion, beyond what chance
does?
"""

from __future__ import annotations

from pipelines.releases.scorer import Scorer
from pipelines.releases.verdict import CANDIDATE, CHAMPION, LOGISTIC, RULE, Check, not_applicable
from pipelines.training.evidence.bootstrap import Interval
from pipelines.training.evidence.contest import Contest

NAME = "keeps_up_with_champion"


def beats_rule(contest: Contest) -> Check:
    """Passed where the interval of candidate - rule lies above 0."""
    gain = contest.difference(CANDIDATE, RULE)
    return _baseline(contest, RULE, gain, passed=gain.low > 0, comparison="surely higher than")


def beats_logistic(contest: Contest) -> Check:
    """Passed where the candidate's figure is higher: the same features without trees must not do as
    well.
    """
    gain = contest.difference(CANDIDATE, LOGISTIC)
    return _baseline(contest, LOGISTIC, gain, passed=gain.point > 0, comparison="higher than")


def _baseline(
    contest: Contest, name: str, gain: Interval, *, passed: bool, comparison: str
) -> Check:
    words, metric = name.replace("_", " "), contest.metric
    candidate_figure, baseline_figure = contest.point(CANDIDATE), contest.point(name)
    return Check(
        name=f"beats_{name}",
        question=f"Is its {metric} {comparison} that of the {words} on the same days?",
        outcome="passed" if passed else "failed",
        found=(
            f"{metric} {candidate_figure:.4f} against {baseline_figure:.4f} of the {words},"
            f" {gain.words}"
        ),
        figures={CANDIDATE: candidate_figure, name: baseline_figure, **gain.figures("difference")},
    )


def keeps_up(contest: Contest, champion: Scorer) -> Check:
    """Passed where the interval of candidate - champion excludes a loss beyond the margin.

    Where it proves such a loss the candidate is refused; where it does neither, the policy's
    `inconclusive` follows.
    """
    metric, margin = contest.metric, contest.use_case.model.champion_margin
    question = (
        f"Is a loss of more than {margin} of {metric} against the champion on the same days"
        " excluded?"
    )
    if champion.fallback:
        return not_applicable(NAME, question, champion.reason)
    gain = contest.difference(CANDIDATE, CHAMPION)
    candidate_figure, champion_figure = contest.point(CANDIDATE), contest.point(CHAMPION)
    passed, worse = gain.low > -margin, gain.high < -margin
    meaning = "excluded" if passed else "proven" if worse else "neither excluded nor proven"
    return Check(
        name=NAME,
        question=question,
        outcome="passed" if passed else "failed",
        found=(
            f"{metric} {candidate_figure:.4f} against {champion_figure:.4f} of champion"
            f" {champion.release_id}, {gain.words}: a loss beyond {margin} is {meaning}"
        ),
        figures={
            CANDIDATE: candidate_figure,
            CHAMPION: champion_figure,
            "margin": margin,
            **gain.figures("difference"),
        },
        consequence="refuse" if worse else contest.policy.inconclusive,
    )
