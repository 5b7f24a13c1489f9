"""The three scorers that are compared: the declared rule, a logistic regression, and a boosted
forest (XGBoost).

All take a float64 matrix whose columns are the feature set's names in order, and 0/1 labels. Fits
are deterministic: the seed, the number of threads and the order of rows decide every bit. Scaling
is fitted on the training rows only and travels inside the logistic regression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.problems.metrics import Array
from pipelines.usecases.definition import ParameterValue, RuleModel

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline
    from xgboost import Booster

Parameters = Mapping[str, ParameterValue]
CompactArray = NDArray[np.float32]

THREADS = 1
"""Fixed, so that the same rows give the same model on every machine; one, because two that share a
busy core with other tasks wait for each other (a fit of 2 s took 40 s).
"""

ROUNDS = "num_boost_round"
MONOTONE = "monotone_constraints"
BINS = "max_bin"
_ALWAYS: Parameters = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "verbosity": 0,
    BINS: 256,
}


def matrix_of(frame: pd.DataFrame, names: Sequence[str]) -> Array:
    """The frame's columns `names`, in that order, as a float64 matrix; a missing column raises
    `KeyError`.
    """
    matrix: Array = _filled(np.empty((len(frame), len(names)), dtype=np.float64), frame, names)
    return matrix


def compact_matrix_of(frame: pd.DataFrame, names: Sequence[str]) -> CompactArray:
    """The same in float32, which is what XGBoost makes of any number: half the memory, and the same
    model.
    """
    matrix: CompactArray = _filled(
        np.empty((len(frame), len(names)), dtype=np.float32), frame, names
    )
    return matrix


def _filled(matrix: Any, frame: pd.DataFrame, names: Sequence[str]) -> Any:
    for index, name in enumerate(names):
        matrix[:, index] = frame[name].to_numpy()
    return matrix


def rule_scores(frame: pd.DataFrame, rule: RuleModel) -> Array:
    """The declared rule's scores, float64 in [0, 1]: min(1, column / scale)."""
    column = frame[rule.column].to_numpy(dtype=np.float64)
    scores: Array = np.clip(column / rule.scale, 0.0, 1.0)
    return scores


def fit_logistic(matrix: Array, label: Array, *, seed: int) -> Pipeline:
    """A logistic regression on standardised columns, as scikit-learn's `Pipeline`; `predict_proba`
    gives the scores.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed))
    return model.fit(matrix, label)


def logistic_scores(model: Pipeline, matrix: Array) -> Array:
    """Probabilities of a positive, float64."""
    scores: Array = model.predict_proba(matrix)[:, 1]
    return scores


def rounds_of(parameters: Parameters) -> int:
    """The number of boosting rounds that the parameters ask for."""
    rounds = parameters[ROUNDS]
    if not isinstance(rounds, int):
        raise TypeError(f"{ROUNDS} is {rounds!r}, not a whole number")
    return rounds


def fit_booster(
    matrix: Array | CompactArray,
    label: Array,
    names: Sequence[str],
    parameters: Parameters,
    *,
    seed: int,
) -> Booster:
    """A booster on the columns `names`; `parameters` are XGBoost's own, plus `num_boost_round`
    (required).

    `monotone_constraints` maps columns to +1 or -1; columns that the booster does not get are
    passed over. XGBoost keeps each value's bin, two bytes, and not the value.
    """
    import xgboost as xgb

    settings = booster_settings(names, parameters, seed=seed)
    data = xgb.QuantileDMatrix(
        matrix, label=label, feature_names=list(names), nthread=THREADS, max_bin=settings[BINS]
    )
    return xgb.train(settings, data, num_boost_round=rounds_of(parameters))


def booster_settings(names: Sequence[str], parameters: Parameters, *, seed: int) -> dict[str, Any]:
    """What `xgboost.train` is told, besides the rounds."""
    settings: dict[str, Any] = {**_ALWAYS, "nthread": THREADS, "seed": seed, **parameters}
    del settings[ROUNDS]
    constraints = settings.pop(MONOTONE, {})
    settings[MONOTONE] = {name: sign for name, sign in constraints.items() if name in names}
    return settings


def booster_scores(booster: Booster, matrix: Array) -> Array:
    """The booster's probabilities, float64; columns in the order of `booster.feature_names`."""
    scores: Array = booster.inplace_predict(matrix, validate_features=False).astype(np.float64)
    return scores
