"""The one kernel that computes features, in a batch and online: both call `compute`, and nothing
else does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.context import Context
from features.feature import Feature
from features.history import EntityHistory
from features.timeline import NEVER, Events, Timeline
from features.values import values

__all__ = ["NEVER", "Events", "compute"]


def compute(
    features: Iterable[Feature],
    events: Events,
    rows: NDArray[np.intp],
    given: Mapping[str, NDArray[Any]] | None = None,
) -> dict[str, NDArray[Any]]:
    """Values of the features for the events `rows` and in their order, by feature name, int64 or
    float64 as declared.

    `events` must hold the queried events themselves and, of each entity that a feature speaks of,
    every event within the feature's reach; more do no harm. Online that is the entity's stored
    events with the request added, in a batch whole days. Features named in `given` are not computed
    but taken from there (in the order of `rows`).
    """
    timeline = Timeline(events, np.asarray(rows, dtype=np.intp))
    context = Context(
        timeline.at,
        events.cents[timeline.rows],
        lambda entity: EntityHistory(timeline, events.keys[entity]),
        values,
        given,
    )
    return {feature.name: context.value(feature) for feature in features}
