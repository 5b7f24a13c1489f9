"""A candidate: fitted on what was known before its test days, serialised, and loaded back as
production will load it.

Everything that is said of a candidate is said of `model`, the bytes that a release would ship. The
threshold is chosen on the validation week before the test days (decision 0141).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from features.definition import FeatureSet
from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError
from pipelines.problems.metrics import Array
from pipelines.problems.unit_ranking import UnitRanking
from pipelines.releases.bundle import sha256
from pipelines.releases.scorer import BoosterScorer, load_booster
from pipelines.training.fitting import booster_scores, matrix_of, rounds_of
from pipelines.training.frames import Split, judged, learnable, rows_of
from pipelines.training.search import Search, choose_parameters, fit_for, validation_splits
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pandas as pd

REFERENCE_ROWS = 5000
UNREGISTERED = "unregistered"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A fitted model with all that is known of its making.

    `rows` and `label` are what it learnt from (training frame, 0/1), `reference` the sample that
    drift is measured against, `volume` the number of events by day.
    """

    as_of: date
    feature_set: FeatureSet
    split: Split
    history: DayRange
    search: Search
    model: bytes
    scorer: BoosterScorer
    rows: pd.DataFrame
    label: Array
    reference: pd.DataFrame
    volume: Mapping[date, int]

    @property
    def release_id(self) -> str:
        return self.scorer.release_id

    @property
    def model_digest(self) -> str:
        return sha256(self.model)


def training_split(use_case: UseCase, as_of: date) -> Split:
    """The split whose test days are the newest that have mature labels at `as_of` 00:00 UTC."""
    return Split.before(as_of - timedelta(days=use_case.label.delay_days + 1), use_case)


def training_days(use_case: UseCase, as_of: date) -> DayRange:
    """From the first day that the search looks at to the last test day."""
    split = training_split(use_case, as_of)
    earliest = [split, *validation_splits(split, use_case)][-1]
    return DayRange(earliest.history(use_case.model.history_days).first, split.test.last)


def make_candidate(
    frame: pd.DataFrame, use_case: UseCase, as_of: date, *, forbidden: Array | None = None
) -> Candidate:
    """Fit a candidate on a training frame of `training_days`; raises `PermanentError` where nothing
    can be learnt.

    `forbidden` are event keys that must not be learnt from (the golden set's): `PermanentError`
    where one is there.
    """
    _require_without(frame, use_case, forbidden)

    policy = use_case.model
    feature_set = use_case.feature_sets[policy.feature_set]
    names, split = feature_set.names, training_split(use_case, as_of)

    search = choose_parameters(frame, use_case, names, split)
    model = bytes(fit_for(frame, use_case, names, split, search.parameters).save_raw("ubj"))
    scorer = BoosterScorer(
        release_id=f"{use_case.name}-{as_of:%Y%m%d}-{sha256(model)[:8]}",
        model_version=UNREGISTERED,
        feature_names=names,
        threshold=_choose_threshold(frame, use_case, names, split, search),
        booster=load_booster(model),
        rounds=rounds_of(search.parameters),
    )

    history = split.history(policy.history_days)
    rows, label = learnable(frame, use_case, history, split.known_at)

    return Candidate(
        as_of=as_of,
        feature_set=feature_set,
        split=split,
        history=history,
        search=search,
        model=model,
        scorer=scorer,
        rows=rows,
        label=label,
        reference=_reference(rows, feature_set, scorer, policy.seed),
        volume=_volume(frame, DayRange(history.first, split.test.last)),
    )


def _require_without(frame: pd.DataFrame, use_case: UseCase, forbidden: Array | None) -> None:
    key = use_case.stored_features.schema.id
    is_forbidden = frame[key].isin(forbidden) if forbidden is not None else None
    if is_forbidden is not None and is_forbidden.any():
        raise PermanentError(
            "golden cases are among the training rows",
            where="training frame",
            expected="no event that is in the golden set",
            found=(
                f"{int(is_forbidden.sum()):,}, for instance {key}"
                f" {frame[key][is_forbidden].iloc[0]}"
            ),
            held_back=("the new release",),
            next_step="read the frame through pipelines.training.data, which leaves them out",
            runbook="docs/runbooks/golden-set.md",
        )


def capacity_threshold(day: Array, unit: Array, score: Array, capacity: int) -> float:
    """The score at or above which `capacity` units a day lie on average (parallel arrays, one entry
    for each event).

    A unit's score of a day is its highest. With fewer units than the capacity it is the lowest of
    them.
    """
    days = np.unique(day)
    best = np.concatenate(
        [UnitRanking.of(unit[day == today], score[day == today]).best for today in days]
    )
    return float(np.sort(best)[::-1][: max(capacity * len(days), 1)][-1])


def _choose_threshold(
    frame: pd.DataFrame, use_case: UseCase, names: tuple[str, ...], split: Split, search: Search
) -> float:
    """By the same parameters' scores of the newest validation week, for which a model of its own is
    fitted.
    """
    end = split.test.first - timedelta(days=use_case.label.delay_days + 1)
    week = Split.before(end, use_case)
    booster = fit_for(frame, use_case, names, week, search.parameters)
    rows, _ = judged(frame, use_case, week, split.known_at)
    review = use_case.review
    score = booster_scores(booster, matrix_of(rows, names))
    return capacity_threshold(
        rows["day"].to_numpy(), rows[review.unit].to_numpy(), score, review.capacity
    )


def _reference(
    rows: pd.DataFrame, feature_set: FeatureSet, scorer: BoosterScorer, seed: int
) -> pd.DataFrame:
    """At most 5,000 of the training rows, drawn with the seed: feature columns in their stored
    dtypes, and `score`.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:REFERENCE_ROWS])
    names = list(feature_set.names)
    sample = rows.iloc[chosen][names]
    dtypes = {feature.name: feature.dtype for feature in feature_set.features}
    return (
        sample.astype(dtypes)
        .assign(score=scorer.score(matrix_of(sample, names)))
        .reset_index(drop=True)
    )


def _volume(frame: pd.DataFrame, days: DayRange) -> dict[date, int]:
    counts = rows_of(frame, days).groupby("day").size()
    return {day.date(): int(count) for day, count in counts.items()}
