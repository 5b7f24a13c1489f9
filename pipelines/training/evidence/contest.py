"""What the evidence speaks of: test rows with their labels, every contender's scores, one set of
weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipelines.problems.metrics import Array, average_precision
from pipelines.training.evidence.bootstrap import Interval, Resampling, average_precisions, interval
from pipelines.usecases.definition import UseCase
from pipelines.usecases.policies.evidence import EvidencePolicy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Contest:
    """`rows` are judged rows of a training frame, `label` (0/1) and each contender's `scores` are
    parallel to them.
    """

    use_case: UseCase
    rows: pd.DataFrame
    label: Array
    scores: Mapping[str, Array]
    resampling: Resampling
    _drawn: dict[str, Array] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, rows: pd.DataFrame, label: Array, scores: Mapping[str, Array], use_case: UseCase
    ) -> Contest:
        """The contest with weights by the policy's unit; no other primary metric than this one can
        be declared.
        """
        policy = use_case.evidence
        unit = rows[use_case.review.unit].to_numpy()
        resampling = Resampling.by_unit(unit, replicates=policy.replicates, seed=policy.seed)
        return cls(use_case=use_case, rows=rows, label=label, scores=scores, resampling=resampling)

    @property
    def policy(self) -> EvidencePolicy:
        return self.use_case.evidence

    @property
    def metric(self) -> str:
        return self.use_case.model.primary_metric

    def drawn(self, name: str) -> Array:
        """The contender's primary metric in each replicate."""
        if name not in self._drawn:
            self._drawn[name] = average_precisions(self.label, self.scores[name], self.resampling)
        return self._drawn[name]

    def point(self, name: str) -> float:
        """The contender's primary metric on all rows."""
        return average_precision(self.label, self.scores[name])

    def difference(self, contender: str, rival: str) -> Interval:
        """The interval of how much better the primary metric of `contender` is, in the same weights
        for both.
        """
        point = self.point(contender) - self.point(rival)
        return interval(point, self.drawn(contender) - self.drawn(rival), level=self.policy.level)

    def part(self, mask: Array) -> Contest:
        """The contest on some of the rows, in the same weights."""
        return Contest(
            use_case=self.use_case,
            rows=self.rows[mask],
            label=self.label[mask],
            scores={name: score[mask] for name, score in self.scores.items()},
            resampling=self.resampling.of(np.flatnonzero(mask)),
        )
