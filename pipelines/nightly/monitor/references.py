"""The training windows that days are compared with: each release's reference sample, its features,
its history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from features.definition import FeatureSet
from pipelines.accounts.features import FeaturesAccount
from pipelines.base.errors import PermanentError
from pipelines.releases.bundle import Bundle
from pipelines.releases.loading import release_bundle
from pipelines.releases.scorer import RULE_RELEASE
from pipelines.run import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Reference:
    """`frame` holds the columns of `features` and `score`; `history_days` of data came before it,
    if known.
    """

    frame: pd.DataFrame
    features: FeatureSet
    history_days: int | None


@dataclass
class References:
    """References by release, each read and verified once."""

    run: Run
    _read: dict[str, Reference] = field(default_factory=dict)

    def of(self, release: str) -> Reference:
        """The release's reference; raises `PermanentError` where it is the rule or its bundle
        cannot be trusted.
        """
        if release not in self._read:
            self._read[release] = self._load(release)
        return self._read[release]

    def _load(self, release: str) -> Reference:
        if release == RULE_RELEASE:
            raise PermanentError("the rule scored, which has no training window to compare with")
        bundle = release_bundle(self.run, release)
        declared, stored = bundle.record.feature_set, self.run.use_case.stored_features
        features = FeatureSet(
            name=declared.name,
            description=f"inputs of {release}",
            schema=stored.schema,
            features=tuple(stored[name] for name in declared.names if name in stored.names),
        )
        return Reference(
            frame=bundle.reference(), features=features, history_days=self._history_days(bundle)
        )

    def _history_days(self, bundle: Bundle) -> int | None:
        """Days of features in the ledger before the first training day; None where that day is not
        recorded.
        """
        train_days = bundle.record.training.train_days
        built = self.run.ledger.latest(FeaturesAccount, status="done")
        if not train_days or not built:
            return None
        return max(0, (train_days[0] - min(built)).days)
