"""A small engine that is real: features of the use case over states in memory, scored by the
declared rule.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.kernel import Events
from features.stream import StreamFeatures
from pipelines.base.settings import Settings
from pipelines.releases.scorer import RuleScorer, rule_scorer
from pipelines.serve.predictions import Decider, Flag, Predictions, Readiness
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load


@dataclass
class SmallEngine:
    """Scores by the rule on the features of the baseline.

    `pause` seconds before each batch; `fails`: score raises.
    """

    use_case: UseCase
    pause: float = 0.0
    fails: bool = False
    closed: bool = False
    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.set = self.use_case.feature_sets["baseline"]
        self.live = StreamFeatures(self.set)
        self.scorer: RuleScorer = rule_scorer(self.use_case, reason="")
        self.seen: set[int] = set()

    def score(self, requests: Events, explained: NDArray[np.bool_]) -> Predictions:
        if self.pause:
            time.sleep(self.pause)
        if self.fails:
            raise RuntimeError("a fault on purpose")
        self.calls.append(len(requests))
        features, _ = self.live.serve(requests, self.set.features)
        ids = requests.id.tolist()
        flags = [int(Flag.REPEATED) if identity in self.seen else 0 for identity in ids]
        self.seen.update(ids)
        matrix = np.column_stack([features[name] for name in self.set.names]).astype(np.float64)
        weights = self.scorer.contributions(features[self.scorer.rule.column].reshape(-1, 1))
        reasons = {
            int(i): [(self.scorer.rule.column, float(weights[i, 0]))]
            for i in np.flatnonzero(explained)
        }
        return self._answers(requests, np.array(flags, dtype=np.uint8), "", matrix, reasons)

    def fall_back(self, requests: Events, reason: str) -> Predictions:
        flags = np.full(len(requests), int(Flag.FALLBACK), dtype=np.uint8)
        return self._answers(requests, flags, reason, None, {})

    def _answers(
        self,
        requests: Events,
        flags: NDArray[np.uint8],
        reason: str,
        matrix: Any,
        reasons: Mapping[int, Any],
    ) -> Predictions:
        scores = self.scorer.score((requests.cents / 100).reshape(-1, 1))
        decider = Decider(
            release_id=self.scorer.release_id if reason else "small",
            model_version=self.scorer.model_version,
            feature_digest=self.set.digest,
            threshold=self.scorer.threshold,
            fallback=bool(reason),
            reason=reason,
        )
        extra = {} if matrix is None else {"names": self.set.names, "features": matrix}
        return Predictions(
            scores=scores,
            decisions=scores >= decider.threshold,
            decided_by=np.zeros(len(scores), dtype=np.int8),
            deciders=(decider,),
            flags=flags,
            reasons=reasons,
            **extra,
        )

    def report(self, ids: NDArray[np.int64], reported_at: NDArray[np.int64]) -> int:
        return int(self.live.report(ids, reported_at).sum())

    def tend(self) -> None:
        return None

    def readiness(self) -> Readiness:
        return Readiness(ready=not self.closed, release="small", facts={"events": len(self.seen)})

    def figures(self) -> Mapping[str, float]:
        return {"events": float(len(self.seen)), "calls_total": float(len(self.calls))}

    def close(self) -> None:
        self.closed = True


def open_small(settings: Settings, *, worker: int = 0) -> SmallEngine:
    return SmallEngine(load(settings.use_case))


class RuleEngine(SmallEngine):
    """The rule alone, without features: what the wire and the batches cost."""

    def score(self, requests: Events, explained: NDArray[np.bool_]) -> Predictions:
        return self._answers(requests, np.zeros(len(requests), dtype=np.uint8), "", None, {})


def open_rule(settings: Settings, *, worker: int = 0) -> RuleEngine:
    return RuleEngine(load(settings.use_case))
