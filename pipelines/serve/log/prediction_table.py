"""Batches of answers as rows of the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.definition import EventSchema
from features.kernel import Events
from pipelines.serve.predictions import Decider, Predictions

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Logged:
    """A batch as it goes to the log.

    `champion` and `challenger` are release ids ("" without one).
    """

    requests: Events
    predictions: Predictions
    champion: str
    challenger: str
    challenger_scores: NDArray[np.float64] | None
    at: datetime

    def alike(self, other: Logged) -> bool:
        """Whether both go into one table: of the same releases, in the same hour."""
        same = (
            self.predictions.names == other.predictions.names
            and self.predictions.deciders is other.predictions.deciders
        )
        return same and (self.at.date(), self.at.hour) == (other.at.date(), other.at.hour)


def prediction_table(batches: Sequence[Logged], schema: EventSchema) -> pa.Table:
    """One row for each answer of batches that are alike.

    Columns: event id, time, entity keys, `cents`; score, decision, release, model_version,
    fallback, reason, by_policy, flags; champion, challenger, challenger_score; answered_at; and the
    features that any of them reads, DOUBLE, as `feature.<name>`.
    """
    import pyarrow as pa

    def joined(pick: Callable[[Logged], NDArray[np.generic]]) -> pa.Array:
        return pa.array(np.concatenate([pick(batch) for batch in batches]))

    keys = {
        entity.key: pa.array(
            np.concatenate([batch.requests.keys[entity.name] for batch in batches])
        )
        for entity in schema.entities
    }
    matrix = np.concatenate([batch.predictions.features for batch in batches])
    names = batches[0].predictions.names
    return pa.table(
        {
            schema.id: joined(lambda batch: batch.requests.id),
            schema.time: joined(lambda batch: batch.requests.time).view(pa.timestamp("us", "UTC")),
            **keys,
            "cents": joined(lambda batch: batch.requests.cents),
            "score": joined(lambda batch: batch.predictions.scores),
            "decision": joined(lambda batch: batch.predictions.decisions),
            **_decided(
                batches[0].predictions.deciders, joined(lambda batch: batch.predictions.decided_by)
            ),
            "flags": joined(lambda batch: batch.predictions.flags),
            **_contenders(batches),
            "answered_at": _stamps(batches),
            **{
                f"feature.{name}": pa.array(np.ascontiguousarray(matrix[:, n]))
                for n, name in enumerate(names)
            },
        }
    )


def _decided(deciders: Sequence[Decider], place: pa.Array) -> dict[str, pa.Array]:
    """What the decider of each row says of itself."""
    import pyarrow as pa

    texts = {
        name: [getattr(decider, name) for decider in deciders]
        for name in ("model_version", "reason")
    }
    release = pa.array([decider.release_id for decider in deciders], pa.string())
    return {
        "release": release.take(place),
        "model_version": pa.array(texts["model_version"], pa.string()).take(place),
        "fallback": pa.array([decider.fallback for decider in deciders], pa.bool_()).take(place),
        "reason": pa.array(texts["reason"], pa.string()).take(place),
        "by_policy": pa.array([decider.by_policy for decider in deciders], pa.bool_()).take(place),
    }


def _contenders(batches: Sequence[Logged]) -> dict[str, pa.Array]:
    """Who was champion and challenger, and the challenger's scores (null without one)."""
    import pyarrow as pa

    rows = sum(len(batch.predictions) for batch in batches)
    scores = [batch.challenger_scores for batch in batches]
    given_scores = [batch_scores for batch_scores in scores if batch_scores is not None]
    challenger_scores = (
        np.concatenate(given_scores)
        if given_scores and len(given_scores) == len(scores)
        else [None] * rows
    )
    return {
        "champion": pa.repeat(pa.scalar(batches[0].champion, pa.string()), rows),
        "challenger": pa.repeat(pa.scalar(batches[0].challenger or None, pa.string()), rows),
        "challenger_score": pa.array(challenger_scores, pa.float64()),
    }


def _stamps(batches: Sequence[Logged]) -> pa.Array:
    import pyarrow as pa

    at = [batch.at.astimezone(UTC).replace(tzinfo=None) for batch in batches]
    stamps = np.repeat(
        np.array(at, dtype="datetime64[us]"), [len(batch.predictions) for batch in batches]
    )
    return pa.array(stamps).cast(pa.timestamp("us", "UTC"))
