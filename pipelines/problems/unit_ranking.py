"""How review units rank on a day, by their highest score: for the alert list, its worth and
metrics.

Equal scores are ordered by unit, so the ranking does not depend on the order of rows. A score that
is not a number counts for nothing: a unit that has no other is ranked last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class UnitRanking:
    """`units` holds each unit once, ascending; `best` (float64) its highest score, or -inf.

    `place` is each event's unit as a place in `units`, `scores` (float64) each event's score as it
    was ranked.
    """

    units: Array
    best: NDArray[np.float64]
    place: NDArray[np.intp]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, unit: Array, score: Array) -> UnitRanking:
        """Rank the units of parallel arrays, one entry for each event."""
        units, place = np.unique(unit, return_inverse=True)
        scores = np.asarray(score, dtype=np.float64)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        best = np.full(len(units), -np.inf)
        np.maximum.at(best, place, scores)
        return cls(units, best, place, scores)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Places in `units`, the highest rank first."""
        return np.lexsort((self.units, -self.best))

    def listed(self, capacity: int) -> NDArray[np.bool_]:
        """For each unit whether it is among the first `capacity`."""
        listed = np.zeros(len(self.units), dtype=np.bool_)
        listed[self.order[:capacity]] = True
        return listed

    def any_by_unit(self, events: Array) -> NDArray[np.bool_]:
        """For each unit whether any of its `events` (bool, parallel to the events) is true."""
        counts = np.bincount(self.place, weights=events.astype(float), minlength=len(self.units))
        return np.asarray(counts > 0)

    def riskiest_events(self, event: Array, capacity: int) -> NDArray[np.intp]:
        """For each of the first `capacity` units, by rank, the index of the event with its best
        score.

        Of several such events it is the one with the lowest `event` id.
        """
        rank_of_unit = np.full(len(self.units), len(self.units))
        first = self.order[:capacity]
        rank_of_unit[first] = np.arange(len(first))
        rank = rank_of_unit[self.place]

        candidates = np.flatnonzero((rank < len(first)) & (self.scores == self.best[self.place]))
        candidates = candidates[np.lexsort((event[candidates], rank[candidates]))]
        _, riskiest = np.unique(rank[candidates], return_index=True)
        return np.asarray(candidates[riskiest])
