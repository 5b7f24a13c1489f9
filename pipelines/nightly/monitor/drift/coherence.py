"""Do features still belong to their rows?

Of one key's neighbouring events, a windowed feature says nearly the same.

A join to the wrong rows leaves every column as it ever was and breaks only this.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipelines.nightly.monitor.performance.review_outcome import Array

LEAST_PAIRS = 200


def coherence(key: Array, time: Array, values: Mapping[str, Array]) -> dict[str, float]:
    """By feature the correlation (-1 to 1) of its values at neighbouring events of one key.

    The arrays are parallel, one entry for each event. Empty with fewer than 200 such pairs; a
    feature whose values are all the same, or not known, is left out.
    """
    order = np.lexsort((time, key))
    same = key[order][1:] == key[order][:-1]
    if same.sum() < LEAST_PAIRS:
        return {}
    correlations = {}
    for name, column in values.items():
        ordered = np.asarray(column, dtype=np.float64)[order]
        first, second = ordered[:-1][same], ordered[1:][same]
        both_finite = np.isfinite(first) & np.isfinite(second)
        if (
            both_finite.sum() >= LEAST_PAIRS
            and np.ptp(first[both_finite]) > 0
            and np.ptp(second[both_finite]) > 0
        ):
            correlations[name] = float(np.corrcoef(first[both_finite], second[both_finite])[0, 1])
    return correlations
