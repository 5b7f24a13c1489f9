"""Reproduce: from MLflow's record alone, train again on the pinned data, and say what differs where
the model does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pipelines.accounts.audit import DeletionDetail
from pipelines.accounts.release import ReleaseAccount
from pipelines.base.days import midnight
from pipelines.base.errors import PermanentError, TransientError
from pipelines.lake.errors import spark_said
from pipelines.ledger.documents import read_document
from pipelines.mlflow.tracking import Tracking
from pipelines.run import Run, code_version
from pipelines.training.candidate import make_candidate, training_days
from pipelines.training.evidence.frame_digest import frame_digest
from pipelines.training.frame import read_training_frame
from pipelines.training.golden_store import load_golden
from pipelines.training.record import environment
from pipelines.usecases.definition import UseCase

NOT_COMPARED = ("machine",)
"""Parts of the environment that are told and do not count as a difference by themselves."""

log = logging.getLogger("tollgate.reproduce")


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """`equal`: the same bytes.

    `differences` are (what, expected, found), `what` one of data, code, environment, seed.

    They are told where the model is equal too: a difference that did no harm. `found` is None where
    training failed.
    """

    release: str
    mlflow_run_id: str
    expected: str
    found: str | None
    differences: tuple[tuple[str, str, str], ...]

    @property
    def equal(self) -> bool:
        return self.found == self.expected

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        names = ("what", "expected", "found")
        differences = [dict(zip(names, difference, strict=True)) for difference in self.differences]
        return {**vars(self), "equal": self.equal, "differences": differences}


def reproduce(run: Run, name: str) -> Reproduction:
    """Train the MLflow run `name` (or the release of that name) again and compare the models'
    digests.

    Data versions, days, seed, parameters and features come from the record that the run keeps. The
    ledger is asked for one thing only, where the models differ: whether rows that the release
    learnt from were deleted for good since. Raises `PermanentError` where MLflow knows no such run,
    `StoreError` where it does not answer.
    """
    run_id, document = Tracking(run.settings, run.use_case.name).training_record(name)
    record = read_document(ReleaseAccount, document, what=f"the record of {name} in MLflow")
    differences = [*_code(run, record), *_environment(record), *_seed(run, record)]
    digest: str | None = None
    try:
        digest, data = _train_again(run, record)
        differences = [*_data(record, data), *differences]
    except TransientError:
        raise
    except PermanentError as error:
        differences = [
            ("data", str(record.data_versions), f"{error.what}: {error.found}"),
            *differences,
        ]
    except Exception as error:
        if (text := spark_said(error)) is None:
            raise
        log.warning("the rows cannot be read", exc_info=True)
        versions = ", ".join(
            f"{table} at version {version}" for table, version in record.data_versions.items()
        )
        differences = [("data", versions, f"cannot be read any more: {text}"), *differences]
    if digest != record.model_digest:
        differences = [*_deleted(run, record), *differences]
    return Reproduction(
        release=record.release_id,
        mlflow_run_id=run_id,
        expected=record.model_digest,
        found=digest,
        differences=tuple(differences),
    )


def _train_again(run: Run, record: ReleaseAccount) -> tuple[str, str | None]:
    """The digests of the model, and of the rows that it learnt from."""
    use_case, as_of = _as_recorded(run.use_case, record), _as_of(record)
    frame = read_training_frame(
        replace(run, use_case=use_case),
        training_days(use_case, as_of),
        record.feature_set.names,
        known_at=midnight(as_of),
        versions=record.data_versions,
    )
    if golden := record.golden:
        cases = load_golden(run.folder, golden.version, digest=golden.digest)
        key = use_case.stored_features.schema.id
        frame = frame[~frame[key].isin(cases.cases[key])].reset_index(drop=True)
    candidate = make_candidate(frame, use_case, as_of)
    return candidate.model_digest, frame_digest(candidate.rows, use_case.events.key)


def _as_of(record: ReleaseAccount) -> date:
    """The day as of which the release was trained; raises `PermanentError` for a record that does
    not say it.
    """
    if record.as_of is None:
        raise PermanentError(
            "the record does not say as of which day it was trained", where=record.release_id
        )
    return record.as_of


def _as_recorded(use_case: UseCase, record: ReleaseAccount) -> UseCase:
    """The use case with the features, parameters and seed of the record, and nothing left to
    search.
    """
    model = replace(
        use_case.model,
        feature_set=record.feature_set.name,
        seed=use_case.model.seed if record.seed is None else record.seed,
        fixed=record.parameters,
        search=(),
    )
    return replace(use_case, model=model)


def _data(record: ReleaseAccount, digest: str | None) -> list[tuple[str, str, str]]:
    expected = record.training.data_digest
    if not expected or expected == digest:
        return []
    return [
        ("data", f"rows with digest {expected}", f"rows with digest {digest} at the same versions")
    ]


def _deleted(run: Run, record: ReleaseAccount) -> list[tuple[str, str, str]]:
    """The deletions since the release was trained that took rows out of the tables that it learnt
    from.
    """
    before, golden = record.data_versions, record.golden.version if record.golden else None
    gone_versions: list[tuple[str, str, str]] = []
    for entry in run.ledger.audit_entries(DeletionDetail):
        detail = entry.detail
        gone = [
            t
            for t, rows in detail.tables.items()
            if t in before and (rows.version is None or before[t] < rows.version)
        ]
        gone += [f"golden set {golden}"] if golden in detail.golden_sets else []
        if gone and detail.state in {"begun", "done"}:
            said = (
                f"rows of {', '.join(gone)} were deleted for good on {entry.recorded_at:%Y-%m-%d}"
            )
            why = f"(`tollgate retain`, {detail.reason}): what it learnt from is not kept any more"
            gone_versions.append(("data", f"{before}", f"{said} {why}"))
    return list(dict.fromkeys(gone_versions))


def _code(run: Run, record: ReleaseAccount) -> list[tuple[str, str, str]]:
    before, now = record.code_version, code_version()
    changed = [("code", before, now)] if before != now else []
    features = run.use_case.feature_sets.get(record.feature_set.name)
    digest = features.digest if features else "no such feature set"
    if digest != record.feature_set.digest:
        changed.append(("code", f"features with digest {record.feature_set.digest}", digest))
    if run.use_case.policy_digest != record.policy_digest:
        changed.append(
            ("code", f"policy with digest {record.policy_digest}", run.use_case.policy_digest)
        )
    return changed


def _environment(record: ReleaseAccount) -> list[tuple[str, str, str]]:
    before, now = record.environment, environment()
    names = [name for name in dict.fromkeys([*before, *now]) if name not in NOT_COMPARED]
    return [
        ("environment", f"{name} {before.get(name, 'absent')}", f"{name} {now.get(name, 'absent')}")
        for name in names
        if before.get(name) != now.get(name)
    ]


def _seed(run: Run, record: ReleaseAccount) -> list[tuple[str, str, str]]:
    """The recorded seed is the one that is used; that another is declared today is told."""
    before, now = str(record.seed), str(run.use_case.model.seed)
    return [("seed", before, now)] if before != now else []
