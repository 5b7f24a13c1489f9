"""The truth about two models: their metric on a very large later sample, with what really happened
as the label.

The sample is made of later weeks of other banks of the same generator, so it has the distribution
that the models meet in production. A card is out once its fraud was reported, as in the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.gate_worlds import AS_OF, BenchWorld
from pipelines.base.days import DayRange, midnight
from pipelines.problems.metrics import average_precision
from pipelines.problems.slice_rows import SliceRows
from pipelines.releases.scorer import Scorer
from pipelines.simulate.day import DayPlan
from pipelines.training.candidate import training_split
from pipelines.training.fitting import matrix_of
from pipelines.training.frames import judged
from pipelines.usecases.definition import UseCase

BANKS, WEEKS = 5, 3
FIRST_SEED = 9_000_001
SLICE_FRAUDS = 100
"""A slice with fewer frauds in the sample has no truth."""
CONDITIONS: Mapping[str, DayPlan] = {"usual": DayPlan(), "new-fraud": DayPlan(("new-fraud",))}


@dataclass(frozen=True)
class Truth:
    """`rows` of a training frame, and which of them are `fraud` (bool)."""

    rows: pd.DataFrame
    fraud: NDArray[np.bool_]

    def metric(
        self, score: NDArray[np.float64], rows: NDArray[np.bool_] | slice = slice(None)
    ) -> float:
        """Average precision (the primary metric), on some rows or on all."""
        return average_precision(self.fraud[rows], score[rows])


def losses(
    truth: Truth, use_case: UseCase, candidate: Scorer, champion: Scorer
) -> tuple[float, dict[str, float]]:
    """How much of the metric production loses with the candidate in the champion's place: overall,
    and by slice.
    """
    candidate_scores, champion_scores = (
        scorer.score(matrix_of(truth.rows, scorer.feature_names))
        for scorer in (candidate, champion)
    )
    selected = SliceRows.of(truth.rows, use_case)
    by_slice = {}
    for piece in use_case.evidence.slices:
        rows = selected.mask(truth.rows, piece)
        if truth.fraud[rows].sum() >= SLICE_FRAUDS:
            by_slice[piece.name] = truth.metric(champion_scores, rows) - truth.metric(
                candidate_scores, rows
            )
    return truth.metric(champion_scores) - truth.metric(candidate_scores), by_slice


def write_truth(folder: Path, condition: str, use_case: UseCase) -> None:
    """Simulate the sample of a condition into a file of `folder`."""
    parts = [_weeks(seed, condition, use_case) for seed in range(FIRST_SEED, FIRST_SEED + BANKS)]
    pd.concat(parts, ignore_index=True).to_parquet(folder / f"{condition}.parquet")


@cache
def read_truth(folder: Path, condition: str) -> Truth:
    """The sample from the file of `write_truth`."""
    rows = pd.read_parquet(folder / f"{condition}.parquet")
    return Truth(rows.drop(columns="fraud"), rows["fraud"].to_numpy())


def _weeks(seed: int, condition: str, use_case: UseCase) -> pd.DataFrame:
    """The later weeks of one bank, as a model of that time would be judged on them."""
    latest = AS_OF + timedelta(days=7 * WEEKS)
    splits = [training_split(use_case, latest - timedelta(days=7 * n)) for n in range(WEEKS)]
    days = DayRange(
        min(split.train.first for split in splits), max(split.test.last for split in splits)
    )
    made = BenchWorld(seed, use_case).simulated(days, dict.fromkeys(days, CONDITIONS[condition]))
    frame = made.frame.assign(fraud=made.fraud)
    return pd.concat(
        [
            judged(frame, use_case, split, midnight(latest + timedelta(days=60)))[0]
            for split in splits
        ]
    )
