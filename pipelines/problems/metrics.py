"""What a ranking is worth: AUC ROC, average precision, and the precision of a day's review list.

The review list is the handbook's card precision top-k (Le Borgne et al., section 4.4): every test
day, units (cards) are ranked by their highest score, and the share of the first k that had a
positive that day counts. A unit that was detected, that is listed on a day on which it had a
positive, is blocked and left out on all later days.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.problems.unit_ranking import UnitRanking

Array = npt.NDArray[Any]


def auc_roc(label: Array, score: Array) -> float:
    """Area under the ROC curve of `score` (float) for `label` (0/1); NaN where only one class is
    there.
    """
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, score)) if _both_classes(label) else float("nan")


def average_precision(label: Array, score: Array) -> float:
    """Average precision (step-wise area under precision–recall, scikit-learn's); NaN where no label
    is 1.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(label, score)) if np.any(label == 1) else float("nan")


def card_precision_by_day(
    day: Array, unit: Array, score: Array, label: Array, k: int
) -> dict[Any, float]:
    """Share of each day's first `k` units that had a positive that day, days in order.

    The arrays are parallel, one entry for each event: `day` (anything sortable), `unit` (whose
    events are reviewed together), `score` (float), `label` (0/1). Equal scores are ranked by
    `unit`, so the figure does not depend on the order of rows. With fewer than `k` units the share
    is still of `k`: an empty place catches nothing.
    """
    detected: set[Any] = set()
    shares: dict[Any, float] = {}
    for today in np.unique(day):
        rows = day == today
        ranking = UnitRanking.of(unit[rows], score[rows])
        detected_before = np.fromiter(
            (u in detected for u in ranking.units.tolist()), bool, len(ranking.units)
        )
        first = ranking.order[~detected_before[ranking.order]][:k]
        hits = ranking.units[first][ranking.any_by_unit(label[rows] == 1)[first]]
        detected.update(hits.tolist())
        shares[today.item() if isinstance(today, np.generic) else today] = len(hits) / k
    return shares


def card_precision_at_k(day: Array, unit: Array, score: Array, label: Array, k: int) -> float:
    """Mean over days of `card_precision_by_day`; NaN without a day."""
    shares = card_precision_by_day(day, unit, score, label, k)
    return float(np.mean(list(shares.values()))) if shares else float("nan")


def _both_classes(label: Array) -> bool:
    return bool(np.any(label == 1) and np.any(label == 0))
