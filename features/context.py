"""What the computation of a feature may look at: the queries, their entities' histories, and other features' values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.feature import Feature
from features.history import EntityHistory
from features.timeline import Events, Ints, Timeline


class Context:
    """The events `rows` (indices) among `events`, asked about; every value is worked out once.

    `given` holds the values of features that were computed before, by name; `compute` computes the others.
    """

    def __init__(
        self,
        events: Events,
        rows: NDArray[np.intp],
        compute: Callable[[Feature, Context], NDArray[Any]],
        given: Mapping[str, NDArray[Any]],
    ) -> None:
        self._timeline = Timeline(events, rows)
        self._compute = compute
        self._histories: dict[str, EntityHistory] = {}
        self._values: dict[str, NDArray[Any]] = dict(given)

    @property
    def at(self) -> Ints:
        """Times of the queries, microseconds since 1970 UTC."""
        return self._timeline.at

    @property
    def cents(self) -> Ints:
        """Amounts of the queries."""
        return self._timeline.events.cents[self._timeline.rows]

    def history(self, entity: str) -> EntityHistory:
        """The histories of that kind of entity."""
        if entity not in self._histories:
            self._histories[entity] = EntityHistory(self._timeline, self._timeline.events.keys[entity])
        return self._histories[entity]

    def value(self, feature: Feature) -> NDArray[Any]:
        """The feature's values, of its declared dtype."""
        name = feature.name
        if name not in self._values:
            raw = self._compute(feature, self)
            self._values[name] = raw.astype(np.dtype(feature.dtype), copy=False)
        return self._values[name]
