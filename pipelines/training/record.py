"""A release's record: everything that is known of a model when it is made.

It holds no clock and no run id, so that training again on the same data gives the same record. The
ledger keeps it with what comes later: the manifest's digest, MLflow's version, the verdict's state.
"""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean

from pipelines.accounts.release import (
    FeatureSetAccount,
    GoldenAccount,
    ReleaseAccount,
    TrainingAccount,
    TrialAccount,
    VolumeAccount,
)
from pipelines.base.days import DayRange
from pipelines.releases.verdict import Evaluation
from pipelines.training.candidate import Candidate
from pipelines.training.evidence.frame_digest import frame_digest
from pipelines.usecases.definition import UseCase

PACKAGES = (
    "xgboost",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "pyspark",
    "delta-spark",
    "mlflow",
)


def release_record(
    candidate: Candidate,
    use_case: UseCase,
    *,
    evaluation: Evaluation,
    data_versions: Mapping[str, int],
    code: str,
    golden: GoldenAccount | None = None,
) -> ReleaseAccount:
    """The record; `data_versions` are the Delta versions that were read, `code` is the code's
    version.

    `golden` is the golden set whose cases were left out , None without one.
    """
    policy = use_case.model
    return ReleaseAccount(
        release_id=candidate.release_id,
        use_case=use_case.name,
        as_of=candidate.as_of,
        model_digest=candidate.model_digest,
        rounds=candidate.scorer.rounds,
        threshold=candidate.scorer.threshold,
        feature_set=FeatureSetAccount(
            name=candidate.feature_set.name,
            digest=candidate.feature_set.digest,
            names=tuple(candidate.feature_set.names),
        ),
        policy_digest=use_case.policy_digest,
        training=_training(candidate, use_case),
        golden=golden,
        data_versions=dict(data_versions),
        code_version=code,
        environment=environment(),
        seed=policy.seed,
        parameters=dict(candidate.search.parameters),
        search=tuple(TrialAccount.from_json(asdict(trial)) for trial in candidate.search.trials),
        evaluation=evaluation.account(),
        volume=VolumeAccount(by_iso_weekday=_by_weekday(candidate.volume)),
    )


def environment() -> dict[str, str]:
    """Versions of Python and of the packages that take part in training."""
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for name in PACKAGES:
        installed = _version(name)
        if installed:
            versions[name] = installed
    return versions


def requirements() -> tuple[str, ...]:
    """What the model needs to be loaded, as pinned requirements."""
    return tuple(f"{name}=={_version(name)}" for name in ("xgboost", "numpy", "pandas"))


def _training(candidate: Candidate, use_case: UseCase) -> TrainingAccount:
    present = set(candidate.rows["day"].dt.date)
    return TrainingAccount(
        train_days=_ends(candidate.history),
        test_days=_ends(candidate.split.test),
        labels_known_at=candidate.split.known_at,
        days_without_rows=tuple(day for day in candidate.history if day not in present),
        data_digest=frame_digest(candidate.rows, use_case.events.key),
        n_train=len(candidate.label),
        n_train_positive=int(candidate.label.sum()),
    )


def _ends(days: DayRange) -> tuple[date, ...]:
    return (days.first, days.last)


def _by_weekday(volume: Mapping[date, int]) -> dict[str, float]:
    """Mean number of events of a day by ISO weekday ("1" is Monday)."""
    counts: defaultdict[int, list[int]] = defaultdict(list)
    for day, count in volume.items():
        counts[day.isoweekday()].append(count)
    return {str(weekday): fmean(numbers) for weekday, numbers in sorted(counts.items())}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
