"""The prequential search: candidates are compared on weeks before the test week, each learnt only
from what was known.

For a split whose test days begin at T, a validation week must have mature labels at T, so the
newest one ends where the delay begins; a model for it is made as of its own first moment. The
parameters with the best mean of the policy's primary metric win, the first one on a tie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError
from pipelines.problems.metrics import Array, auc_roc, average_precision, card_precision_at_k
from pipelines.training.fitting import (
    Parameters,
    booster_scores,
    compact_matrix_of,
    fit_booster,
    matrix_of,
)
from pipelines.training.frames import Split, judged, learnable, rows_of
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pandas as pd
    from xgboost import Booster


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One candidate: its figures on each validation week, and the mean of the policy's primary
    metric over them.
    """

    parameters: Parameters
    mean: float
    weeks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Search:
    """`parameters` that won, and every trial (none where there was nothing to choose or to compare
    on).
    """

    parameters: Parameters
    trials: tuple[Trial, ...] = ()


def figures(rows: pd.DataFrame, label: Array, score: Array, use_case: UseCase) -> dict[str, float]:
    """auc_roc, average_precision and card_precision_at_<capacity> of scores for judged rows of a
    training frame.
    """
    review = use_case.review
    precision = card_precision_at_k(
        rows["day"].to_numpy(), rows[review.unit].to_numpy(), score, label, review.capacity
    )
    return {
        "auc_roc": auc_roc(label, score),
        "average_precision": average_precision(label, score),
        f"card_precision_at_{review.capacity}": precision,
    }


def fit_for(
    frame: pd.DataFrame,
    use_case: UseCase,
    names: Sequence[str],
    split: Split,
    parameters: Parameters,
) -> Booster:
    """The booster that would have been made for a split: its history, labels as known when its test
    days begin.
    """
    history = split.history(use_case.model.history_days)
    rows, label = learnable(frame, use_case, history, split.known_at)
    _require_both_classes(frame, use_case, history, label, split)
    return fit_booster(
        compact_matrix_of(rows, names), label, names, parameters, seed=use_case.model.seed
    )


def validation_splits(split: Split, use_case: UseCase) -> list[Split]:
    """The newest `search_folds` splits whose test days have mature labels when the test days of
    `split` begin.
    """
    delay = use_case.label.delay_days
    last = split.test.first - timedelta(days=delay + 1)
    week = timedelta(days=use_case.model.test_days)
    return [Split.before(last - n * week, use_case) for n in range(use_case.model.search_folds)]


def choose_parameters(
    frame: pd.DataFrame, use_case: UseCase, names: Sequence[str], split: Split
) -> Search:
    """The policy's `fixed` parameters with the candidate of `search` that did best before the test
    days of `split`.

    `frame` is a training frame (`pipelines.training.frames`); weeks that it does not hold are left
    out. With one candidate, or no week to compare on, nothing is fitted and the first candidate is
    taken.
    """
    policy = use_case.model
    candidates = [{**policy.fixed, **candidate} for candidate in policy.search or ({},)]
    weeks = [
        week for week in validation_splits(split, use_case) if _is_covered(frame, week, use_case)
    ]
    if len(candidates) == 1 or not weeks:
        return Search(parameters=candidates[0])
    trials = []
    for candidate in candidates:
        scored = tuple(_validate(frame, use_case, names, week, candidate, split) for week in weeks)
        mean = float(np.mean([week[policy.primary_metric] for week in scored]))
        trials.append(Trial(parameters=candidate, mean=mean, weeks=scored))
    best = max(trials, key=lambda trial: trial.mean)
    return Search(parameters=best.parameters, trials=tuple(trials))


def _validate(
    frame: pd.DataFrame,
    use_case: UseCase,
    names: Sequence[str],
    week: Split,
    candidate: Parameters,
    split: Split,
) -> dict[str, Any]:
    booster = fit_for(frame, use_case, names, week, candidate)
    rows, label = judged(frame, use_case, week, split.known_at)
    score = booster_scores(booster, matrix_of(rows, names))
    return {"test_from": str(week.test.first), **figures(rows, label, score, use_case)}


def _is_covered(frame: pd.DataFrame, week: Split, use_case: UseCase) -> bool:
    """Whether the frame holds the week's whole history and test days."""
    days = frame["day"].to_numpy()
    first = week.history(use_case.model.history_days).first
    return bool(
        days.size
        and days.min() <= np.datetime64(first)
        and days.max() >= np.datetime64(week.test.last)
    )


def _require_both_classes(
    frame: pd.DataFrame, use_case: UseCase, history: DayRange, label: Array, split: Split
) -> None:
    """Raise `PermanentError` where the labels of `history` are not of both kinds, with what usually
    is the cause.
    """
    positive, negative = int(np.sum(label == 1)), int(np.sum(label == 0))
    if positive and negative:
        return
    rows = rows_of(frame, history)
    days = rows["day"].nunique()
    reported = rows.loc[rows[use_case.label.reported_at].notna(), "day"].nunique()
    raise PermanentError(
        "there is nothing to learn from",
        where=(
            f"training rows of {history}, as known at {split.known_at:%Y-%m-%d}, before the test"
            f" days {split.test}"
        ),
        expected="events with a mature label of both kinds",
        found=(
            f"{positive:,} positive, {negative:,} negative; of {len(history)} days {days} have"
            f" events and {reported} have events that a report names"
        ),
        next_step=_missing_class(
            use_case, history, split, events=len(rows), negative=negative, reported=reported
        ),
    )


def _missing_class(
    use_case: UseCase, history: DayRange, split: Split, *, events: int, negative: int, reported: int
) -> str:
    """What to look at where labels of one kind, or all of them, are missing."""
    labels, ends = use_case.labels.name, f"--from {history.first} --to {history.last}"
    if not events:
        return f"load these days: tollgate run ingest {ends}, then tollgate run features {ends}"
    if reported and not negative:
        return (
            f"{labels} name every event of these days: look at which label values the import"
            f" mapping calls positive, or ask the sender of {labels}"
        )
    if reported:
        return (
            f"every report of these days was made after {split.known_at:%Y-%m-%d}, later than"
            f" label.delay_days ({use_case.label.delay_days}): declare a longer delay in"
            f" pipelines/usecases/{use_case.name}.py, or shorten that of the import mapping's"
            " labels"
        )
    return (
        f"the {labels} of these days are empty, or name other events: look at the labels of the"
        " import mapping (which values are positive, which column is the id), or ask the sender of"
        f" {labels}; then tollgate run ingest {ends}"
    )
