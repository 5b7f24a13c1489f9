"""The truth about two models: their metric on a very large later sample, with what really happened as the label.

The sample is made of later weeks of other banks of the same generator, so it has the distribution that the models meet
in production. A card is out once its fraud was reported, as in the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_worlds import AS_OF, BenchWorld
from pipelines.platform.days import DayRange, midnight
from pipelines.release.candidate import training_split
from pipelines.release.frames import judged
from pipelines.release.metrics import average_precision
from pipelines.release.scorer import Scorer
from pipelines.simulate.day import DayPlan
from pipelines.usecases.definition import UseCase

BANKS, WEEKS = 5, 3
FIRST_SEED = 9_000_001
CONDITIONS: Mapping[str, DayPlan] = {"usual": DayPlan(), "new-fraud": DayPlan(("new-fraud",))}


@dataclass(frozen=True)
class Truth:
    """`matrix` (rows, stored features) float64, `names` its columns, `fraud` bool."""

    matrix: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    names: tuple[str, ...]

    def column(self, name: str) -> NDArray[np.float64]:
        """One feature of all rows."""
        return self.matrix[:, self.names.index(name)]

    def scores(self, scorer: Scorer) -> NDArray[np.float64]:
        """What a model says of all rows."""
        columns = [self.names.index(name) for name in scorer.feature_names]
        return scorer.score(np.ascontiguousarray(self.matrix[:, columns]))

    def metric(self, score: NDArray[np.float64], rows: NDArray[np.bool_] | slice = slice(None)) -> float:
        """Average precision (the primary metric), on some rows or on all."""
        return average_precision(self.fraud[rows], score[rows])


SLICES: Mapping[str, tuple[str, float]] = {
    "night": ("is_night", 1.0),
    "weekend": ("is_weekend", 1.0),
    "amounts of 100 and more": ("amount", 100.0),
}
"""Slices by a feature's lowest value."""
SLICE_MARGIN = 0.05


def losses(truth: Truth, candidate: Scorer, champion: Scorer) -> tuple[float, dict[str, float]]:
    """How much of the metric production loses with the candidate in the champion's place: overall, and by slice."""
    mine, theirs = truth.scores(candidate), truth.scores(champion)
    by_slice = {}
    for name, (feature, least) in SLICES.items():
        rows = truth.column(feature) >= least
        by_slice[name] = truth.metric(theirs, rows) - truth.metric(mine, rows)
    return truth.metric(theirs) - truth.metric(mine), by_slice


def write_truth(folder: Path, condition: str, use_case: UseCase) -> None:
    """Simulate the sample of a condition into two files of `folder`."""
    parts = [_weeks(seed, condition, use_case) for seed in range(FIRST_SEED, FIRST_SEED + BANKS)]
    np.save(folder / f"{condition}.matrix.npy", np.concatenate([matrix for matrix, _ in parts]))
    np.save(folder / f"{condition}.fraud.npy", np.concatenate([fraud for _, fraud in parts]))


def read_truth(folder: Path, condition: str, use_case: UseCase) -> Truth:
    """The sample, mapped from the files of `write_truth`."""
    matrix = np.load(folder / f"{condition}.matrix.npy", mmap_mode="r")
    return Truth(matrix, np.load(folder / f"{condition}.fraud.npy"), use_case.stored_features.names)


def _weeks(seed: int, condition: str, use_case: UseCase) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The later weeks of one bank, as a model of that time would be judged on them."""
    latest = AS_OF + timedelta(days=7 * WEEKS)
    splits = [training_split(use_case, latest - timedelta(days=7 * n)) for n in range(WEEKS)]
    days = DayRange(min(split.train.first for split in splits), max(split.test.last for split in splits))
    made = BenchWorld(seed, use_case).simulated(days, dict.fromkeys(days, CONDITIONS[condition]))
    frame = made.frame.assign(fraud=made.fraud)
    rows = [judged(frame, use_case, split, midnight(latest + timedelta(days=60)))[0] for split in splits]
    names = list(use_case.stored_features.names)
    matrix = np.concatenate([part[names].to_numpy(dtype=np.float64) for part in rows])
    return matrix, np.concatenate([part["fraud"].to_numpy() for part in rows])
