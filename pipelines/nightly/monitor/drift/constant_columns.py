"""Columns that are constant, or nearly, in the reference: judged by the share of rows that are off
the constant.

A distance is measured in the reference's deviations. Where these are almost zero, one row in 5,000
at another value is as far as a deploy that broke the column; the share of rows says which of the
two it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.drift import ConstantShare

if TYPE_CHECKING:
    import pandas as pd

METHOD = "share off the constant"
_SAME = 1e-9
"""Two values are the same where they differ by less than this share of the column's largest: sums
are not exact.
"""


@dataclass(frozen=True, kw_only=True)
class ConstantColumn:
    """A column with one value in (nearly) every row of the reference.

    `constant` is that value, None where the column is missing there. `reference_share` and `share`
    (0 to 1) are the rows of the reference and of the day that have another one. A day without a
    single value is off in every row.
    """

    constant: float | None
    reference_share: float
    share: float

    @property
    def moved(self) -> float:
        """How far the share of rows off the constant is from the reference's, 0 to 1."""
        return abs(self.share - self.reference_share)

    def account(self) -> ConstantShare:
        """What the ledger keeps."""
        return ConstantShare(
            constant=self.constant, reference_share=self.reference_share, share=self.share
        )


def constant_column(reference: pd.Series, current: pd.Series, most: float) -> ConstantColumn | None:
    """The column where at most the share `most` of the reference's rows is off one value; None for
    any other.

    Both are float64 with NaN where nothing is known. Missing is a value here: where the reference
    knows next to nothing, rows that have a value are those off the constant. Elsewhere rows without
    a value are left out.
    """
    reference_values, current_values = (
        np.asarray(values, dtype=np.float64) for values in (reference, current)
    )
    if not len(reference_values) or not len(current_values):
        return None
    filled = float(np.mean(~np.isnan(reference_values)))
    if filled <= most:
        share = float(np.mean(~np.isnan(current_values)))
        return ConstantColumn(constant=None, reference_share=filled, share=share)
    reference_values, current_values = (
        reference_values[~np.isnan(reference_values)],
        current_values[~np.isnan(current_values)],
    )
    constant = float(np.median(reference_values))
    tolerance = _SAME * float(np.abs(reference_values).max())
    reference_share = _share_off(reference_values, constant, tolerance)
    if reference_share > most:
        return None
    share = _share_off(current_values, constant, tolerance) if len(current_values) else 1.0
    return ConstantColumn(constant=constant, reference_share=reference_share, share=share)


def _share_off(values: NDArray[Any], constant: float, tolerance: float) -> float:
    return float(np.mean(np.abs(values - constant) > tolerance))
