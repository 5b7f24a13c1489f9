"""What the ledger keeps of a release: what it was made of, how it was judged, and what vouches for
it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pipelines.accounts.evaluation import EvaluationAccount
from pipelines.accounts.part import Instant, Part
from pipelines.accounts.stored import Stored


class FeatureSetAccount(Part):
    """The features that the model takes: the set's name and digest, the features' names in their
    order.
    """

    digest: str = ""
    name: str = ""
    names: tuple[str, ...] = ()


class TrainingAccount(Part):
    """What the model was trained on: first and last day of training and of test, digests and
    numbers of rows.

    `labels_known_at` (UTC): labels of the training are as they were known then. `days_without_rows`
    of the history had none.
    """

    data_digest: str = ""
    days_without_rows: tuple[date, ...] = ()
    labels_known_at: Instant | None = None
    n_train: int = 0
    n_train_positive: int = 0
    test_days: tuple[date, ...] = ()
    train_days: tuple[date, ...] = ()


class GoldenAccount(Part):
    """The golden set whose cases were left out of the training."""

    version: str
    digest: str


class TrialAccount(Part):
    """One candidate of the search: its `parameters`, its figures by validation week, and their
    mean.
    """

    parameters: dict[str, Any] = {}
    mean: float
    weeks: tuple[dict[str, Any], ...] = ()


class VolumeAccount(Part):
    """Mean number of events of a day by ISO weekday ("1" is Monday)."""

    by_iso_weekday: dict[str, float] = {}


class ReleaseAccount(Stored):
    """An immutable release.

    The first members are the record inside its bundle, the last what the ledger adds.

    `parameters` and `search` are those of the learner. `manifest_digest` and `signed_by` vouch for
    the bundle, `model_version` and `mlflow_run_id` are MLflow's, `trained_because` says why it was
    trained.
    """

    release_id: str = ""
    use_case: str = ""
    as_of: date | None = None
    model_digest: str = ""
    rounds: int = 0
    threshold: float | None = None
    feature_set: FeatureSetAccount = FeatureSetAccount()
    policy_digest: str | None = None
    training: TrainingAccount = TrainingAccount()
    golden: GoldenAccount | None = None
    data_versions: dict[str, int] = {}
    code_version: str = ""
    environment: dict[str, str] = {}
    seed: int | None = None
    parameters: dict[str, Any] = {}
    search: tuple[TrialAccount, ...] = ()
    evaluation: EvaluationAccount = EvaluationAccount()
    volume: VolumeAccount | None = None
    manifest_digest: str = ""
    signed_by: str | None = None
    model_version: str = ""
    mlflow_run_id: str = ""
    trained_because: str = ""
