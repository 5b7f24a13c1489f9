"""Paired bootstrap by unit: how far a difference between two contenders may be noise, where rows of
a card go together.

The Bayesian bootstrap (Rubin 1981; an exchangeably weighted bootstrap in the sense of Praestgaard
and Wellner 1993): each replicate gives every unit (card) an exponential weight, all of its rows the
same, all contenders and all slices the same. Unlike resampling with whole counts it never loses all
positives of a small slice.

Weighted average precision is that of `pipelines.problems.metrics` with `sample_weight`: equal
scores are one step. Rows are sorted once; only the total weight between two positives matters, so
rows are added up by (stretch, unit) first and each replicate then costs one addition for each such
pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipelines.problems.metrics import Array

BLOCK = 64
"""Replicates worked on at once: so many weights of all units stay in a processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A point estimate, its bootstrap interval and standard error; `replicates` is what the latter
    rest on.
    """

    point: float
    low: float
    high: float
    error: float
    replicates: int

    @property
    def words(self) -> str:
        """The estimate and its interval, signed: `+0.0123 (-0.0010 to +0.0250)`."""
        return f"{self.point:+.4f} ({self.low:+.4f} to {self.high:+.4f})"

    def figures(self, name: str) -> dict[str, float]:
        """The numbers as a check keeps them."""
        return {
            name: self.point,
            f"{name}_low": self.low,
            f"{name}_high": self.high,
            f"{name}_error": self.error,
        }


@dataclass(frozen=True)
class Resampling:
    """The weights of one bootstrap: `index` (int, one for each row) names the row's unit.

    `weights` has one row for each unit and one column for each replicate (float32, mean 1).
    """

    index: Array
    weights: Array

    @classmethod
    def by_unit(cls, unit: Array, *, replicates: int, seed: int) -> Resampling:
        """Weights for the units of these rows (any sortable keys); the same for the same units,
        seed and count.
        """
        units, index = np.unique(unit, return_inverse=True)
        weights = np.random.default_rng(seed).standard_exponential(
            (len(units), replicates), dtype=np.float32
        )
        return cls(index, weights)

    @property
    def replicates(self) -> int:
        return int(self.weights.shape[1])

    def of(self, rows: Array) -> Resampling:
        """The same weights for some of the rows (mask or positions)."""
        return Resampling(self.index[rows], self.weights)

    def totals(self, value: Array) -> Array:
        """The weighted sum over rows of `value` (float) in each replicate, float64; weights have a
        mean of 1.
        """
        by_unit = np.bincount(self.index, weights=value, minlength=len(self.weights))
        return np.asarray(
            by_unit.astype(np.float32) @ self.weights / self.weights.mean(axis=0), dtype=np.float64
        )


def average_precisions(label: Array, score: Array, resampling: Resampling) -> Array:
    """Average precision in each replicate (float64); NaN where no label is 1.

    Arrays are parallel, one entry a row.
    """
    positive = label == 1
    if not positive.any():
        return np.full(resampling.replicates, np.nan)
    ranking = _Ranking.of(positive, score, resampling.index)
    precisions = np.empty(resampling.replicates)
    for first in range(0, resampling.replicates, BLOCK):
        block = slice(first, min(first + BLOCK, resampling.replicates))
        weights = np.ascontiguousarray(resampling.weights[:, block])
        hits = ranking.hits.sums(weights)
        seen = np.cumsum(ranking.all.sums(weights), axis=0, dtype=np.float64)
        caught = np.cumsum(hits, axis=0, dtype=np.float64)
        precisions[block] = (hits * (caught / seen)).sum(axis=0) / caught[-1]
    return precisions


@dataclass(frozen=True)
class _Pairs:
    """Counts of rows by (stretch of the ranking, unit), in order of stretches; each stretch has at
    least one.
    """

    unit: Array
    count: Array
    starts: Array

    @classmethod
    def of(cls, stretch: Array, unit: Array, units: int) -> _Pairs:
        keys, count = np.unique(stretch.astype(np.int64) * units + unit, return_counts=True)
        stretches, of_unit = np.divmod(keys, units)
        starts = np.flatnonzero(np.diff(stretches, prepend=-1))
        return cls(of_unit, count.astype(np.float32)[:, None], starts)

    def sums(self, weights: Array) -> Array:
        """Weight of each stretch, by replicate."""
        return np.asarray(np.add.reduceat(weights[self.unit] * self.count, self.starts, axis=0))


@dataclass(frozen=True)
class _Ranking:
    """Rows in order of falling scores, cut after each score that a positive has; what comes after
    the last is left out.

    `all` counts every row of a stretch, `hits` the positives.
    """

    all: _Pairs
    hits: _Pairs

    @classmethod
    def of(cls, positive: Array, score: Array, index: Array) -> _Ranking:
        order = np.argsort(-score, kind="stable")
        ranked, is_positive, unit = score[order], positive[order], index[order]
        levels = np.unique(-ranked[is_positive])
        stretch = np.searchsorted(levels, -ranked, side="left")
        within = stretch < len(levels)
        units = int(index.max()) + 1
        return cls(
            all=_Pairs.of(stretch[within], unit[within], units),
            hits=_Pairs.of(stretch[is_positive], unit[is_positive], units),
        )


def interval(point: float, replicates: Array, *, level: float) -> Interval:
    """The percentile interval of a two-sided `level` (0.95: 2.5 % on either side); NaN replicates
    are left out.
    """
    drawn = replicates[np.isfinite(replicates)]
    if len(drawn) < 2:
        return Interval(
            point=point,
            low=float("nan"),
            high=float("nan"),
            error=float("nan"),
            replicates=len(drawn),
        )
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        point=point,
        low=float(low),
        high=float(high),
        error=float(drawn.std(ddof=1)),
        replicates=len(drawn),
    )


@dataclass(frozen=True)
class Family:
    """Several differences looked at together: points by name, and the replicates of each in the
    same weights.

    The simultaneous intervals hold for all of them at once with the given level (single-step max-T,
    Romano and Wolf
    2005): point +- c x standard error, where c is the quantile, over replicates, of the largest
    deviation in standard errors. It corrects for the number of looks and, as slices overlap, for
    how much they say the same.
    """

    points: Mapping[str, float]
    replicates: Mapping[str, Array]

    @cached_property
    def _errors(self) -> Mapping[str, float]:
        return {name: float(np.std(values, ddof=1)) for name, values in self.replicates.items()}

    def critical(self, level: float) -> float:
        """The number of standard errors that all deviations stay within, in `level` of the
        replicates.
        """
        deviations: Sequence[Array] = [
            np.abs(values - values.mean()) / self._errors[name]
            for name, values in self.replicates.items()
            if self._errors[name] > 0
        ]
        return float(np.quantile(np.max(deviations, axis=0), level)) if deviations else 0.0

    def intervals(self, level: float) -> dict[str, Interval]:
        """The simultaneous interval of each difference."""
        width = self.critical(level)
        return {
            name: Interval(
                point=point,
                low=point - width * self._errors[name],
                high=point + width * self._errors[name],
                error=self._errors[name],
                replicates=len(self.replicates[name]),
            )
            for name, point in self.points.items()
        }
