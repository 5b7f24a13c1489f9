"""Has a day drifted?

Figures by the pinned method, thresholds by policy, and the features that moved most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.accounts.drift import ComparedColumn, DriftAccount
from pipelines.nightly.monitor.drift.comparison import SCORE, Comparison
from pipelines.nightly.monitor.drift.constant_columns import METHOD, ConstantColumn
from pipelines.nightly.monitor.drift.distances import Values, method
from pipelines.usecases.policies.watch import DriftPolicy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """One column: how far it moved (`value`, None where one side has no values at all), and its
    means.

    `method` says what `value` and `threshold` are: a distance, or for a column that was constant in
    the reference the share of rows off its constant (0 to 1).
    """

    name: str
    value: float | None
    threshold: float
    reference_mean: float | None
    mean: float | None
    method: str = "distance"
    constant: ConstantColumn | None = None

    @property
    def drifted(self) -> bool:
        """Whether it moved beyond its threshold; values that vanished or appeared out of nothing
        have.
        """
        return self.value is None or self.value >= self.threshold

    @property
    def strength(self) -> float:
        """How many times the threshold it moved; infinite where values vanished or appeared out of
        nothing.
        """
        return (
            np.inf
            if self.value is None
            else self.value / self.threshold
            if self.threshold
            else self.value
        )

    def describe(self) -> str:
        """For instance `amount: mean 53.6 → 80.4 (0.71, limit 0.15)`, or what share of rows left a
        constant.
        """
        if self.constant is not None:
            return f"{self.name}: {_left(self.constant)} (limit: {self.threshold:.2%} of the rows)"
        means = " → ".join(
            "none" if mean is None else f"{mean:.3g}" for mean in (self.reference_mean, self.mean)
        )
        value = "no values" if self.value is None else f"{self.value:.2f}"
        return f"{self.name}: mean {means} ({value}, limit {self.threshold:g})"

    def account(self) -> ComparedColumn:
        """What the ledger keeps."""
        constant = self.constant
        return ComparedColumn(
            name=self.name,
            value=self.value,
            threshold=self.threshold,
            reference_mean=self.reference_mean,
            mean=self.mean,
            method=self.method,
            constant=constant.account() if constant is not None else None,
        )


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A day's verdict.

    `release` made the reference; `reason` says why nothing was judged, if so.
    """

    release: str
    rows: int
    reference_rows: int
    policy: DriftPolicy
    columns: tuple[ColumnDrift, ...] = ()
    score: ColumnDrift | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def judged(self) -> bool:
        """Whether there was enough to compare."""
        return not self.reason

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """Features beyond their threshold, those that moved most (by their own threshold) first."""
        moved = [column for column in self.columns if column.drifted]
        return tuple(sorted(moved, key=lambda column: -column.strength))

    @property
    def share(self) -> float | None:
        """Share of the compared features that drifted."""
        return len(self.drifted) / len(self.columns) if self.columns else None

    @property
    def detected(self) -> bool:
        """Whether the day is beyond policy: so many features, or the scores."""
        many = self.share is not None and self.share >= self.policy.share_of_columns
        return self.judged and (many or (self.score is not None and self.score.drifted))

    def describe(self) -> str:
        """The verdict in a sentence."""
        if not self.judged:
            return f"not judged: {self.reason}"
        if not self.drifted and not self.detected:
            return f"nothing moved beyond its limit ({len(self.columns)} features and the score)"
        parts = (
            [f"{len(self.drifted)} of {len(self.columns)} features beyond their limit"]
            if self.columns
            else []
        )
        if self.score is not None and self.score.drifted:
            parts.append(self.score.describe())
        parts += [column.describe() for column in self.drifted[:3]]
        return "; ".join(parts)

    def account(self) -> DriftAccount:
        """What the ledger keeps."""
        return DriftAccount(
            detected=self.detected,
            judged=self.judged,
            summary=self.describe(),
            share=self.share,
            columns={column.name: column.value for column in self.columns},
            compared=tuple(
                column.account().replaced(drifted=column.drifted) for column in self.columns
            ),
            score=self.score.value if self.score else None,
            score_column=self.score.account() if self.score else None,
            drifted=tuple(column.name for column in self.drifted),
            moved=tuple(column.describe() for column in self.drifted[:3]),
            skipped=dict(self.skipped),
            method=self.policy.method,
            release=self.release,
            rows=self.rows,
            reference_rows=self.reference_rows,
        )


def measure(comparison: Comparison, policy: DriftPolicy) -> dict[str, float]:
    """The figure of every column (and `score`) that can be measured (see `comparable`), by the
    policy's method.
    """
    distance = method(policy.method)
    return {
        name: distance(_values(comparison.reference, name), _values(comparison.current, name))
        for name in comparable(comparison)
    }


def comparable(comparison: Comparison) -> list[str]:
    """Columns, and `score`, with at least one value on both sides, without those that are constant
    in the reference.
    """
    return [
        name
        for name in (*comparison.columns, SCORE)
        if name not in comparison.constants
        and comparison.reference[name].notna().any()
        and comparison.current[name].notna().any()
    ]


def judge(
    comparison: Comparison, values: Mapping[str, float], policy: DriftPolicy, *, release: str
) -> Drift:
    """The verdict on a day from its figures (`measure`, or Evidently's own); constant columns need
    none.
    """
    drift = Drift(
        release=release,
        rows=len(comparison.current),
        reference_rows=len(comparison.reference),
        policy=policy,
        skipped=comparison.skipped,
        reason=comparison.refusal,
    )
    if not drift.judged:
        return drift
    columns = tuple(
        _column(comparison, name, values, policy, policy.threshold) for name in comparison.columns
    )
    score = _column(comparison, SCORE, values, policy, policy.score_threshold)
    return Drift(**{**vars(drift), "columns": columns, "score": score})


def not_judged(reason: str, policy: DriftPolicy, *, release: str = "", rows: int = 0) -> Drift:
    """The verdict where there is nothing to compare with."""
    return Drift(release=release, rows=rows, reference_rows=0, policy=policy, reason=reason)


def _column(
    comparison: Comparison,
    name: str,
    values: Mapping[str, float],
    policy: DriftPolicy,
    threshold: float,
) -> ColumnDrift:
    constant = comparison.constants.get(name)
    return ColumnDrift(
        name=name,
        value=values.get(name) if constant is None else constant.moved,
        threshold=threshold if constant is None else policy.constant_share,
        reference_mean=_mean(comparison.reference, name),
        mean=_mean(comparison.current, name),
        method=policy.method if constant is None else METHOD,
        constant=constant,
    )


def _left(column: ConstantColumn) -> str:
    """How many rows are off a constant, in the reference and today."""
    value = "missing" if column.constant is None else f"{column.constant:.6g}"
    return (
        f"{value} in all but {column.reference_share:.2%} of the reference's rows, in all but"
        f" {column.share:.2%} today"
    )


def _values(frame: pd.DataFrame, name: str) -> Values:
    return np.asarray(frame[name].dropna(), dtype=np.float64)


def _mean(frame: pd.DataFrame, name: str) -> float | None:
    values = _values(frame, name)
    return float(values.mean()) if len(values) else None
