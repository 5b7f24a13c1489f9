"""Who decides each row, by which score, and how: for nightly scoring and the scorer alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.releases.canary import in_canary
from pipelines.releases.contenders import Contenders
from pipelines.releases.scorer import BoosterScorer, RuleScorer

CHAMPION, CHALLENGER, RULE = 0, 1, 2
"""What `RowDecisions.decided_by` says of a row."""

Scores = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class RuledRows:
    """The rows that the declared rule decides: a mask, and its scores of all rows."""

    rule: RuleScorer
    rows: Mask
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class RowDecisions:
    """Parallel arrays, one entry for each row.

    `scores` float64 of whoever decides the row, `decisions` bool (the score reaches that scorer's
    threshold), `decided_by` int8: `CHAMPION`, `CHALLENGER` or `RULE`.
    """

    scores: Scores
    decisions: Mask
    decided_by: NDArray[np.int8]


def decide_rows(
    contenders: Contenders,
    champion_scores: Scores,
    challenger_scores: Scores | None,
    *,
    units: NDArray[np.int64],
    canary_share: float,
    ruled: RuledRows | None = None,
) -> RowDecisions:
    """Decide every row by the release policy.

    The champion decides, but for the units of a challenger in canary, `canary_share` (0 to 1) of
    all `units` (the review unit of each row), where the challenger gave a number. The declared rule
    decides the rows of `ruled` in place of both.
    """
    scores = champion_scores
    decisions = contenders.champion.reaches_threshold(champion_scores)
    decided_by = np.full(len(units), CHAMPION, dtype=np.int8)

    challenger = contenders.challenger
    if challenger is not None and challenger_scores is not None and contenders.state == "canary":
        rows = _canary_rows(challenger, units, challenger_scores, canary_share)
        scores = np.where(rows, challenger_scores, scores)
        decisions = np.where(rows, challenger.reaches_threshold(challenger_scores), decisions)
        decided_by[rows] = CHALLENGER

    if ruled is not None:
        scores = np.where(ruled.rows, ruled.scores, scores)
        decisions = np.where(ruled.rows, ruled.rule.reaches_threshold(ruled.scores), decisions)
        decided_by[ruled.rows] = RULE
    return RowDecisions(scores=scores, decisions=decisions, decided_by=decided_by)


def _canary_rows(
    challenger: BoosterScorer, units: NDArray[np.int64], scores: Scores, share: float
) -> Mask:
    """The challenger's units; a score that is no number leaves the row to the champion."""
    return np.asarray(in_canary(units, challenger.release_id, share) & np.isfinite(scores))
