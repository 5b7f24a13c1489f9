"""A column of a day in 30 numbers: small enough for the ledger, enough for distances between
days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.profile import SketchAccount

Values = NDArray[np.float64]
GRID = np.array([0, 0.01, 0.03, *np.arange(0.05, 0.96, 0.05), 0.97, 0.98, 0.99, 0.995, 1.0])
"""The probabilities whose quantiles are kept: denser at the ends, where rare values are."""
_WEIGHTS = np.diff(GRID, append=1.0) / 2 + np.diff(GRID, prepend=0.0) / 2
_WEIGHTS[[0, -1]] = 0.0
_SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """`rows` values, of which the share `null` is missing; mean, standard deviation and quantiles
    (at `GRID`).
    """

    rows: int
    null: float
    mean: float
    std: float
    quantiles: tuple[float, ...]

    @property
    def empty(self) -> bool:
        """Whether not a single value is there."""
        return self.rows == 0 or self.null >= 1.0

    @property
    def constant(self) -> bool:
        """Whether every value is the same."""
        return not self.empty and self.quantiles[0] == self.quantiles[-1]

    def account(self) -> SketchAccount:
        """What the ledger keeps: quantiles to six digits."""
        short = tuple(_short(value) for value in self.quantiles)
        return SketchAccount(
            n=self.rows, null=_short(self.null), mean=self.mean, std=self.std, q=short
        )

    @classmethod
    def of_account(cls, account: SketchAccount) -> Sketch:
        """The sketch that `account` made."""
        return cls(
            rows=account.n,
            null=account.null,
            mean=account.mean,
            std=account.std,
            quantiles=account.q,
        )


def sketch(values: Any) -> Sketch:
    """The sketch of a column (numbers; NaN and infinities count as null)."""
    every = np.asarray(values, dtype=np.float64)
    finite = every[np.isfinite(every)]
    null = 1.0 - len(finite) / len(every) if len(every) else 0.0
    if not len(finite):
        return Sketch(rows=len(every), null=null, mean=0.0, std=0.0, quantiles=(0.0,) * len(GRID))
    return Sketch(
        rows=len(every),
        null=null,
        mean=float(finite.mean()),
        std=float(finite.std()),
        quantiles=tuple(np.quantile(finite, GRID).tolist()),
    )


def matrix(sketches: Sequence[Sketch]) -> Values:
    """Quantiles of several columns, shape (columns, grid)."""
    return np.array([sketch.quantiles for sketch in sketches]).reshape(len(sketches), len(GRID))


def spreads(quantiles: Values) -> Values:
    """The standard deviation of each column (last axis: the grid), without its lowest and highest
    values.

    One absurd ratio among thousands of rows must not hide, nor make, a move of the others.
    """
    share = _WEIGHTS / _WEIGHTS.sum()
    mean = (quantiles * share).sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt((np.square(quantiles - mean) * share).sum(axis=-1)))


def distances(left: Values, right: Values, spread: Values) -> Values:
    """Wasserstein-1 distance of each column (last axis: the grid), extremes left out, in units of
    `spread`.
    """
    moved = (np.abs(left - right) * _WEIGHTS).sum(axis=-1)
    return np.asarray(moved / np.maximum(spread, _SMALLEST_SPREAD))


def shares_off(quantiles: Values) -> Values:
    """The share of rows (0 to 1) off the median, by column (last axis: the grid), without the
    extremes.

    Of a column that is zero in most rows it is about the share of the others.
    """
    share = _WEIGHTS / _WEIGHTS.sum()
    middle = np.median(quantiles, axis=-1, keepdims=True)
    return np.asarray(((quantiles != middle) * share).sum(axis=-1))


def _short(value: float) -> float:
    return float(f"{value:.6g}")
