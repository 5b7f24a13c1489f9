"""From features to answers: champion, challenger and rule on one batch, by the release policy, as
at night.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.context import Context
from features.definition import FeatureSet
from features.errors import FeatureError
from features.feature import Feature
from features.instants import MICROSECONDS_PER_DAY, day_of
from features.kernel import Events
from features.statistics import Statistics
from features.stream import Values
from features.values import values as computed
from pipelines.decisions.alert_list import reasons
from pipelines.releases.fallback import Fallback, fallback_on
from pipelines.releases.row_decisions import RULE, RuledRows, decide_rows
from pipelines.releases.scorer import RuleScorer, Scorer, rule_scorer
from pipelines.serve.engine.deciding import Deciding
from pipelines.serve.predictions import Decider, Flag, Predictions
from pipelines.usecases.definition import UseCase

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


def needed_features(
    deciding: Deciding, stored: FeatureSet, rule: RuleScorer
) -> tuple[Feature, ...]:
    """The features that anyone who may decide reads, each once, in the champion's order."""
    contenders = deciding.contenders
    readers: list[Scorer] = [contenders.champion, rule]
    if contenders.challenger is not None:
        readers.append(contenders.challenger)
    names: dict[str, None] = {}
    for reader in readers:
        names |= dict.fromkeys(reader.feature_names)
    return tuple(stored[name] for name in names)


def _no_history(entity: str) -> Statistics:
    """The rule's column needs none: the declaration of a use case is refused otherwise."""
    raise FeatureError(
        "the declared rule needs the history of an entity",
        expected="a column that the event alone gives",
        found=entity,
    )


class Judge:
    """Scores batches as `deciding` says; made anew whenever that changes, so that no batch mixes
    two of them.
    """

    def __init__(self, deciding: Deciding, use_case: UseCase) -> None:
        self.deciding = deciding
        self._use_case = use_case
        rule = rule_scorer(use_case, reason=UNSURE)
        self.features = needed_features(deciding, use_case.stored_features, rule)
        self.names = tuple(feature.name for feature in self.features)
        self.contenders = deciding.contenders
        self._rule = rule
        self._key = next(
            e.name
            for e in use_case.stored_features.schema.entities
            if e.key == use_case.review.unit
        )
        self.deciders = self._deciders()
        self._by_spans: dict[tuple[Fallback, ...], tuple[Decider, ...]] = {}

    def predictions(
        self,
        requests: Events,
        values: Values,
        flags: NDArray[np.uint8],
        unsure: NDArray[np.bool_],
        explained: NDArray[np.bool_],
    ) -> tuple[Predictions, Scores | None]:
        """The answers, and the challenger's scores beside them (None without one)."""
        contenders = self.contenders
        matrix = _matrix(values, self.names)
        challenger_scores = self._challenger_scores(values)
        spans, span_of_row = self._policy_spans(requests)
        by_policy = (span_of_row >= 0) & ~unsure
        decided = decide_rows(
            contenders,
            self._champion_scores(matrix),
            challenger_scores,
            units=requests.keys[self._key],
            canary_share=self._use_case.rollout.canary_share,
            ruled=self._ruled(values, unsure | by_policy),
        )
        deciders, decided_by = self.deciders, decided.decided_by
        if by_policy.any():
            deciders = self._with_policy(spans)
            decided_by = np.where(by_policy, RULE + 1 + span_of_row, decided_by).astype(np.int8)
        if unsure.any():
            matrix = np.where(unsure[:, np.newaxis], np.nan, matrix)
        fallback = np.array([decider.fallback for decider in deciders])[decided_by]
        flags = flags | np.where(fallback, np.uint8(Flag.FALLBACK), np.uint8(0))
        predictions = Predictions(
            scores=decided.scores,
            decisions=decided.decisions,
            decided_by=decided_by,
            deciders=deciders,
            flags=flags,
            names=self.names,
            features=matrix,
            untold=len(self.names) - len(contenders.champion.feature_names),
            reasons=self._reasons(values, decided.decided_by, np.flatnonzero(explained)),
        )
        return predictions, challenger_scores

    def by_rule(self, requests: Events, reason: str) -> Predictions:
        """The declared rule's answers, from the events alone: its column needs no state."""
        (name,) = self._rule.feature_names
        column = Context(requests.time, requests.cents, _no_history, computed).value(
            self._use_case.stored_features[name]
        )
        scores = self._rule.score(column.astype(np.float64).reshape(-1, 1))
        return Predictions(
            scores=scores,
            decisions=self._rule.reaches_threshold(scores),
            decided_by=np.zeros(len(scores), dtype=np.int8),
            deciders=(decider(self._rule, reason=reason),),
            flags=np.full(len(scores), Flag.FALLBACK, dtype=np.uint8),
        )

    def _deciders(self) -> tuple[Decider, ...]:
        """By `CHAMPION`, `CHALLENGER` (or the champion again) and `RULE`, which decides here for
        want of states.
        """
        contenders = self.contenders
        return (
            decider(contenders.champion),
            decider(contenders.challenger or contenders.champion),
            decider(self._rule),
        )

    def _with_policy(self, spans: tuple[Fallback, ...]) -> tuple[Decider, ...]:
        """The deciders, and the rule by policy once for each of the spans: always the same object
        for the same spans.

        Batches of answers go into one table of the log only where they share their deciders.
        """
        if spans not in self._by_spans:
            by_policy = (
                decider(self._rule, reason=span.policy_reason, by_policy=True) for span in spans
            )
            self._by_spans[spans] = (*self.deciders, *by_policy)
        return self._by_spans[spans]

    def _ruled(self, values: Values, rows: NDArray[np.bool_]) -> RuledRows | None:
        """Those rows with the rule's scores; None where there is none, so that the rule scores
        nothing.
        """
        if not rows.any():
            return None
        scores = self._rule.score(_matrix(values, self._rule.feature_names))
        return RuledRows(rule=self._rule, rows=rows, scores=scores)

    def _champion_scores(self, matrix: NDArray[np.float64]) -> Scores:
        """The champion's scores of a matrix whose first columns are its features."""
        columns = len(self.contenders.champion.feature_names)
        return self.contenders.champion.score(
            matrix if columns == len(self.names) else np.ascontiguousarray(matrix[:, :columns])
        )

    def _challenger_scores(self, values: Values) -> Scores | None:
        challenger = self.contenders.challenger
        return (
            None
            if challenger is None
            else challenger.score(_matrix(values, challenger.feature_names))
        )

    def _policy_spans(self, requests: Events) -> tuple[tuple[Fallback, ...], NDArray[np.int8]]:
        """The fallbacks by policy that cover a day of the requests, and the place of each row's, -1
        for none.
        """
        none: NDArray[np.int8] = np.full(len(requests), -1, dtype=np.int8)
        if not self.deciding.spans or self.contenders.champion.fallback:
            return (), none
        spans: list[Fallback] = []
        numbers, places = np.unique(requests.time // MICROSECONDS_PER_DAY, return_inverse=True)
        span_of_day = np.full(len(numbers), -1, dtype=np.int8)
        for place, number in enumerate(numbers.tolist()):
            span = fallback_on(self.deciding.spans, day_of(number))
            if span is None:
                continue
            if span not in spans:
                spans.append(span)
            span_of_day[place] = spans.index(span)
        return tuple(spans), span_of_day[places]

    def _reasons(
        self, values: Values, decided_by: NDArray[np.int8], rows: NDArray[np.intp]
    ) -> dict[int, Sequence[tuple[str, float]]]:
        """What weighed most in the score of those rows, most first."""
        reasons_by_row: dict[int, Sequence[tuple[str, float]]] = {}
        scorers: tuple[Scorer, ...] = (
            self.contenders.champion,
            self.contenders.challenger or self.contenders.champion,
            self._rule,
        )
        for place in np.unique(decided_by[rows]).tolist():
            which, scorer = rows[decided_by[rows] == place], scorers[place]
            matrix = _matrix(values, scorer.feature_names)[which]
            for row, row_reasons in zip(
                which.tolist(), reasons(scorer, matrix, self._use_case.review.reasons), strict=True
            ):
                reasons_by_row[row] = [
                    (reason["feature"], reason["contribution"]) for reason in row_reasons
                ]
        return reasons_by_row


def _matrix(values: Values, names: Sequence[str]) -> NDArray[np.float64]:
    """Columns of those names as float64 (rows, names)."""
    matrix = np.empty((len(values[names[0]]), len(names)))
    for place, name in enumerate(names):
        matrix[:, place] = values[name]
    return matrix
