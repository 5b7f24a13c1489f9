"""How a candidate is trained, searched for and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pipelines.usecases.policies.value_types import AtLeastADay, Bounds, Metric, Seed

ParameterValue = float | int | str | Mapping[str, int]
"""A parameter of the model: a number, a word, or a value for each column."""


@dataclass(frozen=True, kw_only=True)
class ModelPolicy:
    """How a candidate is trained and judged.

    Train days end `delay_days` of the label before the test days begin.
    """

    feature_set: str
    """The feature set that the model is trained on."""
    history_days: AtLeastADay = 28
    """How many days before the test days, the label delay left out, the model may learn from."""
    test_days: AtLeastADay = 7
    """On how many days a candidate is judged."""
    seed: Seed = 20260101
    """The seed of everything that is drawn in a training."""
    primary_metric: Literal["average_precision"] = "average_precision"
    """The metric that decides between models; only one that has an interval can prove anything."""
    champion_margin: Metric = 0.02
    """How much of the primary metric a candidate may lose against the champion and still replace
    it.
    """
    search: tuple[Mapping[str, ParameterValue], ...] = ()
    """The candidates of the prequential search; each is laid over `fixed`."""
    search_folds: Annotated[int, Bounds("weeks", 0)] = 2
    """On how many of the newest weeks before the test days the candidates are compared."""
    fixed: Mapping[str, ParameterValue] = field(
        default_factory=lambda: {"num_boost_round": 100, "max_depth": 5}
    )
    """The parameters of XGBoost that every candidate has, `num_boost_round` among them."""
