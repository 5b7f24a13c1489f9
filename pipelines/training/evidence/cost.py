"""What the decisions cost a day: reviews that people make, and money lost to positives that nobody
reviewed.

A unit (card) is reviewed on a day on which one of its scores reaches the release's threshold; that
costs `review_cost` and saves all of its positives of that day. Those of other units cost
`loss_share` of their amount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.problems.metrics import Array
from pipelines.releases.scorer import Scorer
from pipelines.releases.verdict import CANDIDATE, CHAMPION, RULE, Check, not_applicable
from pipelines.training.evidence.bootstrap import Interval, interval
from pipelines.training.evidence.contest import Contest

if TYPE_CHECKING:
    import pandas as pd

NAME = "money"


def money_holds(contest: Contest, candidate: Scorer, champion: Scorer) -> Check:
    """Failed where the interval of candidate - champion, in money a day, proves a rise beyond the
    policy's share.
    """
    policy, share = contest.policy, contest.policy.cost_margin
    question = (
        f"At its own threshold, is a rise of cost of more than {share:.0%} of the champion's not"
        " proven?"
    )
    amount = contest.use_case.stored_features.schema.amount
    if amount not in contest.rows:
        return not_applicable(NAME, question, f"the test rows have no {amount}")
    rival = RULE if champion.fallback else CHAMPION
    candidate_costs, rival_costs = (
        row_costs(contest, contest.scores[name], scorer.threshold, amount)
        for name, scorer in ((CANDIDATE, candidate), (rival, champion))
    )
    days = max(1, contest.rows["day"].nunique())
    rise = _difference(contest, (candidate_costs - rival_costs) / days)
    candidate_daily, rival_daily = (
        float(candidate_costs.sum()) / days,
        float(rival_costs.sum()) / days,
    )
    worse = rise.low > share * rival_daily
    words = (
        f"{candidate_daily:,.0f} a day against {rival_daily:,.0f} of the {rival},"
        f" {rise.point:+,.0f}"
    )
    return Check(
        name=NAME,
        question=question,
        outcome="not applicable" if rival == RULE else "failed" if worse else "passed",
        found=f"{champion.reason}; {words}"
        if rival == RULE
        else f"{words} ({rise.low:+,.0f} to {rise.high:+,.0f}): reviews and missed positives",
        figures={
            CANDIDATE: candidate_daily,
            rival: rival_daily,
            "margin": share,
            "review_cost": policy.review_cost,
            "loss_share": policy.loss_share,
            **rise.figures("difference"),
        },
    )


def row_costs(contest: Contest, score: Array, threshold: float, amount: str) -> Array:
    """Each row's part of the cost (float64): a review stands at the first row of its unit and
    day.
    """
    group, first = _unit_days(contest.rows, contest.use_case.review.unit)
    reviewed = np.zeros(len(first), dtype=np.bool_)
    np.logical_or.at(reviewed, group, score >= threshold)
    missed = (contest.label == 1) & ~reviewed[group]
    cost = contest.policy.loss_share * contest.rows[amount].to_numpy(dtype=np.float64) * missed
    cost[first[reviewed]] += contest.policy.review_cost
    return np.asarray(cost)


def _unit_days(rows: pd.DataFrame, unit: str) -> tuple[Array, Array]:
    """The number of each row's unit and day, and the first row of each."""
    import pandas as pd

    group, _ = pd.factorize(pd.MultiIndex.from_arrays([rows["day"], rows[unit]]))
    return group, np.unique(group, return_index=True)[1]


def _difference(contest: Contest, value: Array) -> Interval:
    return interval(
        float(value.sum()), contest.resampling.totals(value), level=contest.policy.level
    )
