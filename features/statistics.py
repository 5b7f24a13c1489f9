"""What the history of one kind of entity can be asked: the whole numbers that every feature over a
window is made of.

A batch answers from sorted columns (`features.history`), the live path from states that move
(`features.online.state_store`). All answers are int64 and exact, so that the values made of them
have the same bits whoever answered.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from features.feature import EntityFeature, WindowFeature
from features.timeline import Ints


class Statistics(Protocol):
    """One number for each query, in the order of the queries."""

    def counts(self, feature: WindowFeature) -> Ints:
        """Number of events in the window."""
        ...

    def sums(self, feature: WindowFeature) -> Ints:
        """Cents in the window."""
        ...

    def squared_deviations(self, feature: WindowFeature) -> tuple[Ints, Ints]:
        """`deviations_around_floor` of the window's cents."""
        ...

    def maxima(self, feature: WindowFeature) -> Ints:
        """Largest cents in the window, 0 where it is empty."""
        ...

    def previous(self, feature: EntityFeature) -> tuple[NDArray[np.bool_], Ints]:
        """Whether the entity has an event before the query, not `days` old or older, and that
        event's time (µs).
        """
        ...

    def positives(self, feature: WindowFeature) -> Ints:
        """Number of events in the window that were reported at or before the query."""
        ...


def deviations_around_floor(count: Ints, total: Ints, squares: Ints) -> tuple[Ints, Ints]:
    """n m, d with d = sum of (cents - m)^2 for m = the whole part of the mean; all int64, exact
    modulo 2**64.
    """
    middle = total // np.maximum(count, 1)
    return count * middle, squares - 2 * middle * total + count * middle * middle
