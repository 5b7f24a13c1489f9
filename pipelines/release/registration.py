"""What MLflow gets to know of a training: parameters, metrics, tags, plots, model card, record, bill of materials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.platform.tracking import ModelRecord
from pipelines.release.candidate import Candidate
from pipelines.release.card import model_card, pictures
from pipelines.release.record import requirements
from pipelines.release.sbom import NAME, bill_of_materials
from pipelines.release.verdict import CANDIDATE, Evaluation
from pipelines.usecases.definition import UseCase


def model_record(
    record: Mapping[str, Any], candidate: Candidate, evaluation: Evaluation, use_case: UseCase, *, reason: str
) -> ModelRecord:
    """The entry for a release record (`pipelines.release.record`); `reason` says why it was trained."""
    return ModelRecord(
        release_id=candidate.release_id,
        model=candidate.scorer.booster,
        model_bytes=candidate.model,
        inputs={feature.name: str(feature.dtype) for feature in candidate.feature_set.features},
        requirements=requirements(),
        parameters=_parameters(record),
        metrics=_metrics(evaluation),
        tags=_tags(record, evaluation, reason),
        files=_files(record, candidate, evaluation, use_case),
    )


def _parameters(record: Mapping[str, Any]) -> dict[str, Any]:
    training = record["training"]
    return {
        "as_of": record["as_of"],
        "feature_set": record["feature_set"]["name"],
        "train_days": " to ".join(training["train_days"]),
        "test_days": " to ".join(training["test_days"]),
        "seed": record["seed"],
        "threshold": record["threshold"],
        **{f"model.{name}": value for name, value in record["parameters"].items()},
        **{f"data.{table}.version": version for table, version in record["data_versions"].items()},
    }


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    """The candidate's figures by their names, those of the others with the contender's name in front."""
    return {
        metric if name == CANDIDATE else f"{name}.{metric}": value
        for name, values in evaluation.figures.items()
        for metric, value in values.items()
        if value == value
    }


def _tags(record: Mapping[str, Any], evaluation: Evaluation, reason: str) -> dict[str, str]:
    return {
        "decision": evaluation.verdict.decision,
        "model_digest": record["model_digest"],
        "feature_set_digest": record["feature_set"]["digest"],
        "policy_digest": record["policy_digest"],
        "code_version": record["code_version"],
        "trained_because": reason,
    }


def _files(
    record: Mapping[str, Any], candidate: Candidate, evaluation: Evaluation, use_case: UseCase
) -> dict[str, bytes]:
    plots = pictures(candidate, evaluation)
    card = model_card(record, candidate, evaluation, use_case, plots)
    return {
        "card.md": card.to_markdown().encode(),
        "card.html": card.to_html().encode(),
        "release.json": json.dumps(record, indent=2, sort_keys=True).encode(),
        NAME: json.dumps(bill_of_materials(record), indent=2).encode(),
        **{plot.path: plot.png for plot in plots},
    }
