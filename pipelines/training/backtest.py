"""Backtest: what the model policy would have achieved on past test days, chosen and learnt only
from what was known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from features.definition import FeatureSet
from pipelines.base.days import DayRange
from pipelines.problems.metrics import Array
from pipelines.run import Run
from pipelines.training.backtest_days import require_days, require_reports
from pipelines.training.data import current_versions
from pipelines.training.fitting import (
    booster_scores,
    fit_logistic,
    logistic_scores,
    matrix_of,
    rule_scores,
)
from pipelines.training.frame import read_training_frame
from pipelines.training.frames import Split, judged, labels_at, learnable, rows_of
from pipelines.training.search import choose_parameters, figures, fit_for, validation_splits
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One split: its sizes, the model's figures, the parameters chosen before it, and the figures
    of the other scorers.

    `learnt` are the days that the model learnt from, as far as the lake holds them; `n_train`
    counts the rows of the training window alone.
    """

    split: Split
    learnt: DayRange
    sizes: Mapping[str, int]
    model: Mapping[str, float]
    compared: Mapping[str, Mapping[str, float]]
    parameters: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "train_from": str(self.split.train.first),
            "train_to": str(self.split.train.last),
            "test_from": str(self.split.test.first),
            "test_to": str(self.split.test.last),
            **self.sizes,
            **self.model,
            "learnt_from": str(self.learnt.first),
            "learnt_to": str(self.learnt.last),
            "parameters": dict(self.parameters),
            **{name: dict(values) for name, values in self.compared.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """The folds of a backtest with one feature set."""

    feature_set: str
    folds: tuple[Fold, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`: every fold, and the mean over folds of each number."""
        numbers = [{**fold.sizes, **fold.model} for fold in self.folds]
        compared = {
            name: _mean([fold.compared[name] for fold in self.folds])
            for name in self.folds[0].compared
        }
        return {
            "features": self.feature_set,
            "folds": [fold.to_json() for fold in self.folds],
            "average": {**_mean(numbers), **compared},
        }


def backtest(run: Run, splits: Sequence[Split], feature_set: str) -> Backtest:
    """Judge the use case's model policy on each split, with the features of one of its sets.

    A fold's model and its parameters rest on labels known when its test days begin; its test labels
    on every report that the lake holds. Raises `UsageError` for an unknown feature set,
    `PermanentError` for days that are not in the lake, `TransientError` where the reports on the
    test days are not ingested yet.
    """
    use_case, features = run.use_case, run.use_case.feature_set(feature_set)
    versions = current_versions(run)
    held = require_days(run, splits, versions)
    known_at = require_reports(run, splits)
    days = _days_to_read(splits, use_case, held)
    columns = [*features.names, use_case.rule.column]
    frame = read_training_frame(run, days, columns, known_at=known_at, versions=versions)
    folds = tuple(_fold(frame, use_case, features, split, known_at) for split in splits)
    return Backtest(feature_set=feature_set, folds=folds)


def _fold(
    frame: pd.DataFrame, use_case: UseCase, features: FeatureSet, split: Split, known_at: datetime
) -> Fold:
    names, train = features.names, rows_of(frame, split.train)
    rows, label = judged(frame, use_case, split, known_at)
    chosen = choose_parameters(frame, use_case, names, split).parameters
    booster = fit_for(frame, use_case, names, split, chosen)
    scores = {
        "model": booster_scores(booster, matrix_of(rows, names)),
        "logistic_regression": _logistic(frame, use_case, names, split, rows),
        "rule": rule_scores(rows, use_case.rule),
    }
    compared = {name: figures(rows, label, score, use_case) for name, score in scores.items()}
    history = rows_of(frame, split.history(use_case.model.history_days))["day"]
    return Fold(
        split=split,
        learnt=DayRange(history.min().date(), history.max().date()),
        sizes={
            "n_train": len(train),
            "n_train_fraud": int(np.nansum(labels_at(train, use_case, split.known_at))),
            "n_test": len(rows),
            "n_test_fraud": int(label.sum()),
        },
        model=compared.pop("model"),
        compared=compared,
        parameters=chosen,
    )


def _logistic(
    frame: pd.DataFrame, use_case: UseCase, names: Sequence[str], split: Split, rows: pd.DataFrame
) -> Array:
    learnt, label = learnable(
        frame, use_case, split.history(use_case.model.history_days), split.known_at
    )
    model = fit_logistic(matrix_of(learnt, names), label, seed=use_case.model.seed)
    return logistic_scores(model, matrix_of(rows, names))


def _days_to_read(splits: Sequence[Split], use_case: UseCase, held: DayRange) -> DayRange:
    """From the first day that any fold's search may look at, as far as the lake reaches back, to
    the last test day.
    """
    looked_at: list[Split] = []
    for split in splits:
        looked_at += (split, *validation_splits(split, use_case))
    first = min(week.history(use_case.model.history_days).first for week in looked_at)
    return DayRange(max(first, held.first), max(split.test.last for split in splits))


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
