"""A request as the engine needs it: a table of integers, one row an event, and what is to be told
about each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.kernel import NEVER, Events
from features.schema import EventSchema
from pipelines.serve.predictions import Predictions

Rows = NDArray[np.int64]
"""n x (3 + entities): id, time (µs), cents, and the key of each entity in the order of the
schema.
"""


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """What one request asks: its rows, whether reasons and feature values are told, whether it was
    one bare event.
    """

    rows: Rows
    reasons: bool = False
    features: bool = False
    single: bool = False


class Share(NamedTuple):
    """The part of a batch's answers that belongs to one request: rows from `first` up to `past`."""

    predictions: Predictions
    first: int
    past: int


def columns(schema: EventSchema) -> tuple[str, ...]:
    """Names of the columns of `Rows`."""
    return (schema.id, schema.time, schema.amount, *schema.keys)


def events(rows: Rows, schema: EventSchema) -> Events:
    """The rows as columns, each contiguous; nothing is reported yet."""
    table = np.ascontiguousarray(rows.T)
    keys = {entity.name: table[3 + place] for place, entity in enumerate(schema.entities)}
    return Events(
        id=table[0], time=table[1], cents=table[2], reported=np.full(len(rows), NEVER), keys=keys
    )
