"""Which columns and rows may be compared: like with like, enough of them, and none that only tells
the calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from features.definition import Feature, FeatureSet
from pipelines.nightly.monitor.drift.constant_columns import ConstantColumn, constant_column
from pipelines.usecases.policies.watch import DriftPolicy

if TYPE_CHECKING:
    import pandas as pd

SCORE = "score"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two samples, side by side.

    `reference` and `current` hold `columns` (float64, NaN where nothing is known) and `score`.
    `skipped` says why a feature is not compared; `refusal`, where not empty, why nothing is.
    `constants` are those columns (and `score`) that are constant in the reference, or nearly:
    distances say nothing of them.
    """

    reference: pd.DataFrame
    current: pd.DataFrame
    columns: tuple[str, ...]
    skipped: Mapping[str, str]
    refusal: str = ""
    constants: Mapping[str, ConstantColumn] = field(default_factory=dict)


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    features: FeatureSet,
    policy: DriftPolicy,
    *,
    history_days: int | None = None,
) -> Comparison:
    """Prepare a day's sample (`current`) for comparison with the sample of the training window
    (`reference`).

    Both hold the features' columns and `score`. A calendar feature that is the same all day says
    nothing of the data: the reference is cut down to the rows of that kind of day (a Saturday is
    compared with weekends) and the feature is left out. So are features whose window reaches
    further back than the `history_days` that the lake held when the training window began: they
    were still filling up. Fewer than `policy.minimum` rows are not judged.
    """
    skipped: dict[str, str] = {}
    for feature in features.features:
        if feature.name in reference and _same_all_day(feature, current):
            reference = reference[reference[feature.name] == current[feature.name].iloc[0]]
            skipped[feature.name] = "the same all day; compared with the same kind of day instead"
        elif reason := _not_comparable(feature, reference, current, history_days):
            skipped[feature.name] = reason
    columns = tuple(name for name in features.names if name not in skipped)
    wanted = [*columns, SCORE]
    left = _finite(reference.reindex(columns=wanted), policy.sample)
    right = _finite(current.reindex(columns=wanted), policy.sample)
    return Comparison(
        reference=left,
        current=right,
        columns=columns,
        skipped=skipped,
        refusal=_too_few(len(reference), len(current), policy.minimum),
        constants=_constants(left, right, policy.constant_share),
    )


def _constants(
    reference: pd.DataFrame, current: pd.DataFrame, most: float
) -> dict[str, ConstantColumn]:
    """The columns that are judged by the share of rows off one value."""
    constants = {}
    for name in reference.columns:
        column = constant_column(reference[name], current[name], most)
        if column is not None:
            constants[name] = column
    return constants


def _not_comparable(
    feature: Feature, reference: pd.DataFrame, current: pd.DataFrame, history_days: int | None
) -> str:
    if feature.name not in reference:
        return "the reference does not hold it"
    if history_days is not None and feature.reach_days > history_days:
        return (
            f"reaches back {feature.reach_days} days, but training began after {history_days} days"
            " of data"
        )
    if not len(current) or (
        reference[feature.name].isna().all() and current[feature.name].isna().all()
    ):
        return "no values"
    return ""


def _same_all_day(feature: Feature, current: pd.DataFrame) -> bool:
    return (
        feature.kind == "calendar"
        and len(current) > 0
        and current[feature.name].nunique(dropna=False) == 1
    )


def _finite(frame: pd.DataFrame, size: int) -> pd.DataFrame:
    """At most `size` rows, always the same ones, as float64 with infinities as NaN."""
    some = frame.sample(size, random_state=0) if len(frame) > size else frame
    return some.astype(float).replace([np.inf, -np.inf], np.nan).reset_index(drop=True)


def _too_few(reference: int, current: int, minimum: int) -> str:
    if current < minimum:
        return f"{current:,} rows today, fewer than the {minimum:,} that a judgement needs"
    if reference < minimum:
        return (
            f"{reference:,} rows of the same kind of day in the reference, fewer than {minimum:,}"
        )
    return ""
