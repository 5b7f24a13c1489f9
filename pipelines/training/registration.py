"""What MLflow gets to know of a training: parameters, metrics, tags, plots, model card, record,
bill of materials.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.accounts.release import ReleaseAccount
from pipelines.mlflow.tracking import EARLIER_RUN, ModelRecord
from pipelines.releases.bundle import Bundle
from pipelines.releases.verdict import CANDIDATE, Evaluation
from pipelines.run import Run
from pipelines.training.candidate import Candidate
from pipelines.training.model_card import model_card, pictures
from pipelines.training.record import requirements
from pipelines.training.sbom import NAME, bill_of_materials
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import xgboost as xgb


def model_record(
    record: ReleaseAccount,
    candidate: Candidate,
    evaluation: Evaluation,
    use_case: UseCase,
    *,
    reason: str,
) -> ModelRecord:
    """The entry for a release record (`pipelines.training.record`); `reason` says why it was
    trained.
    """
    return ModelRecord(
        release_id=candidate.release_id,
        model=candidate.scorer.booster,
        model_bytes=candidate.model,
        inputs={feature.name: str(feature.dtype) for feature in candidate.feature_set.features},
        requirements=requirements(),
        parameters=_parameters(record),
        metrics=_numbers(evaluation.figures),
        tags=_tags(record, evaluation.verdict.decision, reason),
        files=_files(record, candidate, evaluation, use_case),
    )


def record_from_bundle(bundle: Bundle, released: ReleaseAccount) -> ModelRecord:
    """The entry for a release of which MLflow knows nothing any more, from its bundle and the
    ledger's row `released`.

    Pictures and model card were made of data that a bundle does not hold: they are left out.
    """
    record = bundle.record
    inputs = {
        name: str(dtype) for name, dtype in bundle.reference().dtypes.items() if name != "score"
    }
    verdict = record.evaluation.verdict
    files = {"release.json": _release_json(record)}
    entry = ModelRecord(
        release_id=bundle.release_id,
        model=_booster(bundle.model),
        model_bytes=bundle.model,
        inputs={name: inputs[name] for name in record.feature_set.names},
        requirements=requirements(),
        parameters=_parameters(record),
        metrics=_numbers(record.evaluation.metrics),
        tags=_tags(record, verdict.decision or "unknown", released.trained_because or "unknown"),
        files=files,
    )
    return restored(entry, released)


def restored(entry: ModelRecord, released: ReleaseAccount) -> ModelRecord:
    """The entry with the MLflow run that the ledger knows the release by, so that this name still
    leads to it.
    """
    earlier = released.mlflow_run_id
    return replace(entry, tags={**entry.tags, EARLIER_RUN: earlier}) if earlier else entry


def taken_versions(run: Run, release_id: str) -> frozenset[str]:
    """The version numbers that the ledger gave to other releases than this one."""
    others = (release for release in run.ledger.releases() if release.release_id != release_id)
    return frozenset(other.account.model_version for other in others if other.account.model_version)


def _booster(model: bytes) -> xgb.Booster:
    import xgboost as xgb

    return xgb.Booster(model_file=bytearray(model))


def _parameters(record: ReleaseAccount) -> dict[str, Any]:
    training, document = record.training, record.to_json()
    days = {"train_days": training.train_days, "test_days": training.test_days}
    return {
        **{name: document[name] for name in ("as_of", "seed", "threshold") if name in document},
        "feature_set": record.feature_set.name,
        **{name: " to ".join(map(str, ends)) for name, ends in days.items() if ends},
        **{f"model.{name}": value for name, value in record.parameters.items()},
        **{f"data.{table}.version": version for table, version in record.data_versions.items()},
    }


def _numbers(figures: Mapping[str, Mapping[str, float | None]]) -> dict[str, float]:
    """The candidate's figures by their names, those of the others with the contender's name in
    front.
    """
    logged = {}
    for name, values in figures.items():
        for metric, value in values.items():
            if value is not None and not math.isnan(value):
                logged[metric if name == CANDIDATE else f"{name}.{metric}"] = value
    return logged


def _tags(record: ReleaseAccount, decision: str, reason: str) -> dict[str, str]:
    digests = {
        "model_digest": record.model_digest,
        "policy_digest": record.policy_digest or "",
        "code_version": record.code_version,
    }
    return {
        "decision": decision,
        **{name: value for name, value in digests.items() if value},
        "feature_set_digest": record.feature_set.digest,
        "trained_because": reason,
    }


def _release_json(record: ReleaseAccount) -> bytes:
    return json.dumps(record.to_stored(), indent=2, sort_keys=True).encode()


def _files(
    record: ReleaseAccount, candidate: Candidate, evaluation: Evaluation, use_case: UseCase
) -> dict[str, bytes]:
    plots = pictures(candidate, evaluation)
    card = model_card(record, candidate, evaluation, use_case, plots)
    return {
        "card.md": card.to_markdown().encode(),
        "card.html": card.to_html().encode(),
        "release.json": _release_json(record),
        NAME: json.dumps(bill_of_materials(record), indent=2).encode(),
        **{plot.path: plot.png for plot in plots},
    }
