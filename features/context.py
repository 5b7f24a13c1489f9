"""What the computation of a feature may look at: the queries, their entities' histories, and other
features' values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.feature import Feature
from features.stacked import Plan, Stack
from features.statistics import Statistics
from features.timeline import Ints


class Context:
    """Queries at instants `at` (µs since 1970 UTC) with amounts `cents`; every value is worked out
    once.

    `histories` gives the statistics of a kind of entity by its name. `given` holds the values of
    features that were computed before, by name; `compute` computes the others.
    """

    def __init__(
        self,
        at: Ints,
        cents: Ints,
        histories: Callable[[str], Statistics],
        compute: Callable[[Any, Context], NDArray[Any]],
        given: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.at = at
        self.cents = cents
        self._open = histories
        self._compute = compute
        self._histories: dict[str, Statistics] = {}
        self._values: dict[str, NDArray[Any]] = dict(given or {})

    def history(self, entity: str) -> Statistics:
        """The histories of that kind of entity."""
        if entity not in self._histories:
            self._histories[entity] = self._open(entity)
        return self._histories[entity]

    def value(self, feature: Feature | Stack) -> NDArray[Any]:
        """The feature's values, of its declared dtype; those of a stack (k, n)."""
        if isinstance(feature, Stack):
            return np.stack([self.value(member) for member in feature.members])
        name = feature.name
        if name not in self._values:
            raw = self._compute(feature, self)
            self._values[name] = raw.astype(np.dtype(feature.dtype), copy=False)
        return self._values[name]

    def work_out(self, plan: Plan) -> dict[str, NDArray[Any]]:
        """The values of a plan's features by name, stack by stack."""
        by_name = self._values
        for stack in plan.stacks:
            if isinstance(stack, Stack):
                raw = self._compute(stack, self).astype(stack.dtype, copy=False)
                by_name.update(zip(stack.names, raw, strict=True))
            else:
                self.value(stack)
        return {name: by_name[name] for name in plan.names}
