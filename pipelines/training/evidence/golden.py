"""Does the candidate keep what was once frozen as the golden set?

Cases that no model has learnt from.
"""

from __future__ import annotations

from pipelines.releases.scorer import Scorer
from pipelines.releases.verdict import CANDIDATE, CHAMPION, Check, not_applicable
from pipelines.training.evidence.contest import Contest
from pipelines.training.fitting import matrix_of
from pipelines.training.golden_store import LABEL, GoldenSet, declaration_digests
from pipelines.usecases.definition import UseCase

NAME = "golden_set"


def golden_holds(
    golden: GoldenSet | None, use_case: UseCase, candidate: Scorer, champion: Scorer
) -> Check:
    """Failed where the primary metric falls by the policy's margin or more, and the interval
    excludes 0.
    """
    margin, metric = use_case.evidence.golden_margin, use_case.model.primary_metric
    question = f"Is there no drop of {margin} or more of {metric} on the frozen cases?"
    if golden is None:
        reason = "no golden set was handed in; next: tollgate golden freeze --from D --to D"
        return not_applicable(NAME, question, reason)

    today = declaration_digests(use_case.stored_features)
    needed = dict.fromkeys(
        [*candidate.feature_names, *(() if champion.fallback else champion.feature_names)]
    )
    changed = [name for name in needed if golden.features.get(name) != today.get(name)]
    if changed:
        reason = (
            f"{golden.version} was frozen under other definitions of {', '.join(changed)}; next:"
            " freeze another"
        )
        return not_applicable(NAME, question, reason)

    scorers = {CANDIDATE: candidate} | ({} if champion.fallback else {CHAMPION: champion})
    scores = {
        name: scorer.score(matrix_of(golden.cases, scorer.feature_names))
        for name, scorer in scorers.items()
    }
    contest = Contest.of(golden.cases, golden.cases[LABEL].to_numpy(), scores, use_case)
    candidate_figure = contest.point(CANDIDATE)
    cases = f"{len(contest.label):,} cases, {contest.label.sum():,.0f} positive"
    summary = f"{golden.version}: {cases}, {metric} {candidate_figure:.4f}"
    figures = {
        CANDIDATE: candidate_figure,
        "cases": float(len(contest.label)),
        "positives": float(contest.label.sum()),
    }
    if champion.fallback:
        return Check(
            name=NAME,
            question=question,
            outcome="not applicable",
            found=f"{champion.reason}; {summary}",
            figures=figures,
        )

    gain = contest.difference(CANDIDATE, CHAMPION)
    return Check(
        name=NAME,
        question=question,
        outcome="failed" if gain.point <= -margin and gain.high < 0 else "passed",
        found=f"{summary} against {contest.point(CHAMPION):.4f} of the champion, {gain.words}",
        figures={
            **figures,
            CHAMPION: contest.point(CHAMPION),
            "margin": margin,
            **gain.figures("difference"),
        },
    )
