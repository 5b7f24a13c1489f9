"""Which features made the scores move?

Each is put back, and what that does to the scores is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.monitor import ScoreShare
from pipelines.nightly.monitor.drift.distances import Values, wasserstein
from pipelines.nightly.monitor.performance.review_outcome import logit

if TYPE_CHECKING:
    import pandas as pd

ROWS = 2_000
MOST = 3
LEAST_SHARE = 0.1


def explain(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    names: Sequence[str],
    score: Callable[[NDArray[np.float64]], Values],
) -> list[ScoreShare]:
    """The features that explain most of the scores' move, at most three, strongest first.

    Both frames hold the features `names` (float64), `score` takes them in that order. A feature is
    put back by rank: the value at the share q of today's rows becomes the reference's at q (a
    constant one: a draw of the reference), so that what belongs together in a row stays together.
    Empty where the scores have not moved.
    """
    if not len(reference) or not len(current):
        return []
    reference_rows, current_rows = (_matrix(frame, names) for frame in (reference, current))
    reference_logits, current_logits = logit(score(reference_rows)), logit(score(current_rows))
    distance = wasserstein(reference_logits, current_logits)
    if distance <= 0:
        return []
    shares = []
    for index, name in enumerate(names):
        healed = current_rows.copy()
        healed[:, index] = _put_back(reference_rows[:, index], current_rows[:, index])
        left = wasserstein(reference_logits, logit(score(healed)))
        shares.append(ScoreShare(feature=name, share=round(float(1 - left / distance), 3)))
    strongest = sorted(shares, key=lambda part: -part.share)[:MOST]
    return [part for part in strongest if part.share >= LEAST_SHARE]


def _matrix(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    some = frame.sample(ROWS, random_state=0) if len(frame) > ROWS else frame
    values: NDArray[np.float64] = some[list(names)].to_numpy(dtype=np.float64)
    return values


def _put_back(reference: Values, current: Values) -> Values:
    """Today's values moved to the reference's distribution; equal values are spread evenly over
    their ranks.
    """
    order = np.random.default_rng(0).permutation(len(current))
    rank = np.empty(len(current))
    rank[order[np.argsort(current[order], kind="stable")]] = (np.arange(len(current)) + 0.5) / len(
        current
    )
    finite = reference[np.isfinite(reference)]
    back: Values = np.quantile(finite, rank) if len(finite) else current
    return back
