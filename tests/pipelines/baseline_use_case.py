"""The fraud use case with the baseline's features alone: small models, and constraints of features
that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from features.definition import FeatureSet
from features.fraud import BASELINE
from pipelines.usecases.definition import ModelPolicy, UseCase
from pipelines.usecases.fraud import USE_CASE


def baseline_model(model: ModelPolicy) -> ModelPolicy:
    """The policy of a model that is trained on the baseline, without constraints of other
    features.
    """
    fixed: Mapping[str, object] = {
        name: value for name, value in model.fixed.items() if name != "monotone_constraints"
    }
    return replace(model, feature_set="baseline", fixed=fixed)


def baseline_use_case(features: FeatureSet = BASELINE) -> UseCase:
    """The use case with `features` as its only feature set, the baseline."""
    model = baseline_model(USE_CASE.model)
    return replace(USE_CASE, feature_sets={"baseline": features}, model=model)
