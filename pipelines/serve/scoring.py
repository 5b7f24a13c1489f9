"""From features to answers: champion, challenger and rule on one batch, by the release policy, as at night."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from features.definition import FeatureSet
from features.feature import Feature
from features.kernel import Events
from features.stream import Values
from features.timeline import MICROSECONDS_PER_DAY
from pipelines.platform.fallback import fallback_on
from pipelines.release.contenders import decided_by_challenger
from pipelines.release.scorer import RuleScorer, Scorer, rule_scorer
from pipelines.serve.answers import Answers, Decider, Flag
from pipelines.serve.deciding import Deciding
from pipelines.stages.alert_list import reasons
from pipelines.usecases.definition import UseCase

_EPOCH = date(1970, 1, 1)
UNSURE = "the states of its entities could not be had in time"
Scores = NDArray[np.float64]


def decider(scorer: Scorer, *, reason: str = "", by_policy: bool = False) -> Decider:
    """A scorer as an answer names it; the rule has no feature set."""
    bundle = scorer.bundle
    return Decider(
        release_id=scorer.release_id,
        model_version=scorer.model_version,
        feature_digest=bundle.record.feature_set.digest if bundle is not None else "",
        threshold=scorer.threshold,
        fallback=scorer.fallback,
        reason=reason or scorer.reason,
        by_policy=by_policy,
    )


def needed_features(deciding: Deciding, stored: FeatureSet, rule: RuleScorer) -> tuple[Feature, ...]:
    """The features that anyone who may decide reads, each once, in the champion's order."""
    contenders = deciding.contenders
    readers: list[Scorer] = [contenders.champion, rule]
    if contenders.challenger is not None:
        readers.append(contenders.challenger)
    return tuple(stored[name] for name in dict.fromkeys(name for one in readers for name in one.feature_names))


class Judge:
    """Scores batches as `deciding` says; made anew whenever that changes, so that no batch mixes two of them."""

    def __init__(self, deciding: Deciding, use_case: UseCase) -> None:
        self.deciding = deciding
        self._use_case = use_case
        rule = rule_scorer(use_case, reason=UNSURE)
        self.features = needed_features(deciding, use_case.stored_features, rule)
        self.names = tuple(feature.name for feature in self.features)
        self.contenders = deciding.contenders
        self._rule = rule
        self._key = next(e.name for e in use_case.stored_features.schema.entities if e.key == use_case.review.unit)
        self.deciders = self._deciders()

    def answers(
        self,
        requests: Events,
        values: Values,
        flags: NDArray[np.uint8],
        unsure: NDArray[np.bool_],
        explained: NDArray[np.bool_],
    ) -> tuple[Answers, Scores | None]:
        """The answers, and the challenger's scores beside them (None without one)."""
        contenders = self.contenders
        matrix = _matrix(values, self.names)
        scores = self._champion_scores(matrix)
        decided_by = np.zeros(len(requests), dtype=np.int8)
        theirs = self._challenger_scores(values)
        if contenders.challenger is not None and theirs is not None:
            units = requests.keys[self._key]
            chosen = decided_by_challenger(contenders, units, theirs, self._use_case.rollout.canary_share)
            scores = np.where(chosen, theirs, scores)
            decided_by[chosen] = 1
        for place, rows in ((2, unsure), (3, self._by_policy(requests) & ~unsure)):
            if rows.any():
                decided_by[rows] = place
                scores = np.where(rows, self._rule.score(_matrix(values, self._rule.feature_names)), scores)
        if unsure.any():
            matrix = np.where(unsure[:, np.newaxis], np.nan, matrix)
        fallback = np.array([one.fallback for one in self.deciders])[decided_by]
        flags = flags | np.where(fallback, np.uint8(Flag.FALLBACK), np.uint8(0))
        thresholds = np.array([one.threshold for one in self.deciders])[decided_by]
        answers = Answers(
            scores=scores,
            decisions=scores >= thresholds,
            decided_by=decided_by,
            deciders=self.deciders,
            flags=flags,
            names=self.names,
            features=matrix,
            untold=len(self.names) - len(contenders.champion.feature_names),
            reasons=self._reasons(values, decided_by, np.flatnonzero(explained)),
        )
        return answers, theirs

    def by_rule(self, amounts: NDArray[np.float64], reason: str) -> Answers:
        """The declared rule's answers from the events' amounts alone."""
        scores = self._rule.score(amounts.reshape(-1, 1))
        return Answers(
            scores=scores,
            decisions=scores >= self._rule.threshold,
            decided_by=np.zeros(len(scores), dtype=np.int8),
            deciders=(decider(self._rule, reason=reason),),
            flags=np.full(len(scores), Flag.FALLBACK, dtype=np.uint8),
        )

    def _deciders(self) -> tuple[Decider, ...]:
        """Champion, challenger (or the champion again), the rule for want of states, the rule by policy."""
        contenders = self.contenders
        span = self.deciding.spans[-1] if self.deciding.spans else None
        told = f"by policy since {span.first}: {span.reason}" if span else ""
        return (
            decider(contenders.champion),
            decider(contenders.challenger or contenders.champion),
            decider(self._rule),
            decider(self._rule, reason=told, by_policy=span is not None),
        )

    def _champion_scores(self, matrix: NDArray[np.float64]) -> Scores:
        """The champion's scores of a matrix whose first columns are its features."""
        told = len(self.contenders.champion.feature_names)
        return self.contenders.champion.score(
            matrix if told == len(self.names) else np.ascontiguousarray(matrix[:, :told])
        )

    def _challenger_scores(self, values: Values) -> Scores | None:
        challenger = self.contenders.challenger
        return None if challenger is None else challenger.score(_matrix(values, challenger.feature_names))

    def _by_policy(self, requests: Events) -> NDArray[np.bool_]:
        """Rows whose day the rule decides by policy."""
        if not self.deciding.spans or self.contenders.champion.fallback:
            return np.zeros(len(requests), dtype=np.bool_)
        numbers, places = np.unique(requests.time // MICROSECONDS_PER_DAY, return_inverse=True)
        ruled = [
            fallback_on(self.deciding.spans, _EPOCH + timedelta(days=number)) is not None for number in numbers.tolist()
        ]
        return np.array(ruled)[places]

    def _reasons(
        self, values: Values, decided_by: NDArray[np.int8], rows: NDArray[np.intp]
    ) -> dict[int, Sequence[tuple[str, float]]]:
        """What weighed most in the score of those rows, most first."""
        found: dict[int, Sequence[tuple[str, float]]] = {}
        scorers: tuple[Scorer, ...] = (
            self.contenders.champion,
            self.contenders.challenger or self.contenders.champion,
            self._rule,
            self._rule,
        )
        for place in np.unique(decided_by[rows]).tolist():
            which, scorer = rows[decided_by[rows] == place], scorers[place]
            matrix = _matrix(values, scorer.feature_names)[which]
            for row, told in zip(which.tolist(), reasons(scorer, matrix, self._use_case.review.reasons), strict=True):
                found[row] = [(reason["feature"], reason["contribution"]) for reason in told]
        return found


def _matrix(values: Values, names: Sequence[str]) -> NDArray[np.float64]:
    """Columns of those names as float64 (rows, names)."""
    matrix = np.empty((len(values[names[0]]), len(names)))
    for place, name in enumerate(names):
        matrix[:, place] = values[name]
    return matrix
