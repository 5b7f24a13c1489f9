"""The scorer: the champion's booster loaded natively, or the declared rule where there is none that
can be trusted.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import FeatureSet
from features.errors import FeatureError
from pipelines.base.errors import PermanentError
from pipelines.ledger.ledger import Pointer
from pipelines.releases.bundle import Bundle, BundleError
from pipelines.releases.loading import release_bundle
from pipelines.run import Run
from pipelines.usecases.definition import RuleModel, UseCase

if TYPE_CHECKING:
    import xgboost as xgb

Matrix = NDArray[np.floating[Any]]
LOGGER = logging.getLogger(__name__)
RULE_RELEASE = "rule"


@dataclass(frozen=True, kw_only=True)
class Scorer(ABC):
    """What turns feature rows into scores.

    Matrices are (rows, features), columns in the order of `feature_names`.

    `threshold`: a score at or above it is a positive decision. `fallback` is true where the rule
    stands in for a model, and `reason` then says why; `stands_in_for` is the champion that could
    not be loaded, if that is why. `bundle` is the release's bundle, None for the rule.
    """

    release_id: str
    model_version: str
    feature_names: tuple[str, ...]
    threshold: float
    fallback: bool = False
    reason: str = ""
    stands_in_for: str = ""
    bundle: Bundle | None = None

    def score(self, matrix: Matrix) -> NDArray[np.float64]:
        """Scores in [0, 1], float64, one for each row; raises `PermanentError` for a matrix of
        another width.
        """
        return self._score(self._checked(matrix))

    def reaches_threshold(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The decision for each score: positive at or above `threshold`; never for NaN."""
        return np.asarray(scores >= self.threshold)

    def contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """How much each feature moved each row's score, in log-odds, shape as `matrix` (the bias is
        left out).
        """
        return self._contributions(self._checked(matrix))

    def _checked(self, matrix: Matrix) -> Matrix:
        if matrix.ndim != 2 or matrix.shape[1] != len(self.feature_names):
            raise PermanentError(
                "the matrix to score has another shape than the model",
                where=f"release {self.release_id}",
                expected=f"{len(self.feature_names)} columns: {', '.join(self.feature_names)}",
                found=f"shape {matrix.shape}",
                next_step="select the scorer's feature_names, in their order",
            )
        return matrix

    @abstractmethod
    def _score(self, matrix: Matrix) -> NDArray[np.float64]: ...

    @abstractmethod
    def _contributions(self, matrix: Matrix) -> NDArray[np.float64]: ...


@dataclass(frozen=True, kw_only=True)
class BoosterScorer(Scorer):
    """An XGBoost booster, of which the first `rounds` boosting rounds count (early stopping keeps
    the best).
    """

    booster: xgb.Booster
    rounds: int

    def _score(self, matrix: Matrix) -> NDArray[np.float64]:
        if not len(matrix):
            return np.empty(0)
        scores = self.booster.inplace_predict(
            matrix, iteration_range=(0, self.rounds), validate_features=False
        )
        return np.asarray(scores, dtype=np.float64)

    def _contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        import xgboost as xgb

        if not len(matrix):
            return np.empty((0, len(self.feature_names)))
        data = xgb.DMatrix(matrix, feature_names=list(self.feature_names))
        values = self.booster.predict(data, pred_contribs=True, iteration_range=(0, self.rounds))
        return np.asarray(values[:, :-1], dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class RuleScorer(Scorer):
    """The use case's declared rule: min(1, column / scale), never below 0."""

    rule: RuleModel

    def _score(self, matrix: Matrix) -> NDArray[np.float64]:
        return np.clip(matrix[:, 0].astype(np.float64) / self.rule.scale, 0.0, 1.0)

    def _contributions(self, matrix: Matrix) -> NDArray[np.float64]:
        """The log-odds of the score above those of the rule's threshold: the only column carries
        all of it.
        """
        return (_log_odds(self._score(matrix)) - _log_odds(np.array(self.rule.threshold))).reshape(
            -1, 1
        )


def rule_scorer(use_case: UseCase, *, reason: str, stands_in_for: str = "") -> RuleScorer:
    """The rule as a scorer, for the champion `stands_in_for` if one cannot be loaded.

    Its `model_version` carries the policy that declares it.
    """
    rule = use_case.rule
    return RuleScorer(
        release_id=RULE_RELEASE,
        model_version=f"rule-{use_case.policy_digest[:8]}",
        feature_names=(rule.column,),
        threshold=rule.threshold,
        fallback=True,
        reason=reason,
        stands_in_for=stands_in_for,
        rule=rule,
    )


def booster_scorer(bundle: Bundle, use_case: UseCase, *, model_version: str) -> BoosterScorer:
    """The bundle's model as a scorer; raises `BundleError` where its features are not those that we
    compute.
    """
    names = require_same_features(bundle, use_case)
    booster = load_booster(bundle.model)
    if tuple(booster.feature_names or ()) != names:
        raise BundleError(
            "the model's inputs are not those that its release declares",
            where=bundle.release_id,
            expected=", ".join(names),
            found=", ".join(booster.feature_names or ()) or "no names",
            next_step="train again",
        )
    scorer = BoosterScorer(
        release_id=bundle.release_id,
        model_version=model_version,
        feature_names=names,
        threshold=_threshold(bundle),
        bundle=bundle,
        booster=booster,
        rounds=bundle.record.rounds,
    )
    _try_out(scorer)
    return scorer


def _threshold(bundle: Bundle) -> float:
    """The score from which on a decision is positive; raises `BundleError` where the record does
    not say it.
    """
    if bundle.record.threshold is None:
        raise BundleError(
            "the release's record has no threshold",
            where=bundle.release_id,
            next_step="train again",
        )
    return bundle.record.threshold


def _try_out(scorer: BoosterScorer) -> None:
    """Score one row of which nothing is known: what fails, or takes longer the first time, does so
    now.
    """
    import xgboost as xgb

    try:
        scorer.score(np.full((1, len(scorer.feature_names)), np.nan))
    except xgb.core.XGBoostError as error:
        raise BundleError(
            "the model does not score",
            where=scorer.release_id,
            expected=f"{scorer.rounds} rounds, {len(scorer.feature_names)} features",
            found=str(error).splitlines()[0],
            next_step="train again",
        ) from error


def load_booster(model: bytes) -> xgb.Booster:
    """A booster from UBJ bytes; raises `BundleError` where XGBoost cannot read them."""
    import xgboost as xgb

    booster = xgb.Booster()
    try:
        booster.load_model(bytearray(model))
    except xgb.core.XGBoostError as error:
        raise BundleError(
            "XGBoost cannot read the model", found=str(error).splitlines()[0]
        ) from error
    return booster


def load_champion(run: Run) -> Scorer:
    """The release that the ledger's pointer names, or the rule (`fallback`) where none exists or it
    cannot be loaded.

    A ledger that does not answer is not a reason to fall back: `StoreError` goes on to the caller.
    """
    return champion_scorer(run, run.ledger.champion())


def champion_scorer(run: Run, pointer: Pointer | None) -> Scorer:
    """The same for a pointer that was read already."""
    if pointer is None:
        return _fall_back(run.use_case, "no release has been promoted yet")
    try:
        return load_release(run, pointer.release_id)
    except BundleError as error:
        reason = f"champion {pointer.release_id} cannot be loaded: {error}"
        return _fall_back(run.use_case, reason, stands_in_for=pointer.release_id)


def load_release(run: Run, release_id: str) -> BoosterScorer:
    """A release of the ledger as a scorer; raises `BundleError` where its bundle or its features
    are not to be used.
    """
    release = run.ledger.release(release_id)
    bundle = release_bundle(run, release)
    return booster_scorer(bundle, run.use_case, model_version=release.account.model_version)


def require_same_features(bundle: Bundle, use_case: UseCase) -> tuple[str, ...]:
    """The model's features in order, after proving that the code of today defines each of them as
    it did then.
    """
    declared = bundle.record.feature_set
    try:
        features = tuple(use_case.stored_features[name] for name in declared.names)
    except FeatureError as error:
        raise _other_features(bundle, actual=str(error)) from error
    today = FeatureSet(
        name=declared.name,
        description="",
        schema=use_case.stored_features.schema,
        features=features,
    )
    if today.digest != declared.digest:
        raise _other_features(bundle, actual=f"digest {today.digest}")
    return today.names


def _other_features(bundle: Bundle, *, actual: str) -> BundleError:
    return BundleError(
        "the features that the release was trained on are no longer defined like that",
        where=bundle.release_id,
        expected=(
            f"feature set {bundle.record.feature_set.name}, digest"
            f" {bundle.record.feature_set.digest}"
        ),
        found=actual,
        next_step="bring the definitions back, or train again on the new ones",
    )


def _fall_back(use_case: UseCase, reason: str, *, stands_in_for: str = "") -> RuleScorer:
    LOGGER.warning("scoring by the declared rule (%s): %s", use_case.rule.description, reason)
    return rule_scorer(use_case, reason=reason, stands_in_for=stands_in_for)


def _log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(share, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)
