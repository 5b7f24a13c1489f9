"""Answers beside the batch, bit by bit: which of them differ, and in what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.timeline import Floats, Ints
from pipelines.parity.served.predictions import FEATURE, Answered
from pipelines.parity.served.stored import Stored

SCORE, DECISION = "score", "decision"
Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The compared events, by the order in which they were answered: event i is `details[row[i]]`,
    `stored[place[i]]`.

    `differing`: the events (numbers i, ascending) in which a feature differs, by its name; every
    feature that was compared is named. `scored` is how many scores and decisions were compared,
    `SCORE` and `DECISION` in `differing`.
    """

    answered: Answered
    stored: Stored
    row: Places
    place: Places
    differing: Mapping[str, Places]
    scored: int

    @property
    def rank(self) -> Places:
        """The compared events' places among all answers."""
        return self.answered.today[self.row]

    @property
    def features(self) -> list[str]:
        """The features that were compared."""
        return [name for name in self.differing if name not in (SCORE, DECISION)]

    def rows(self) -> Places:
        """The events in which anything differs, ascending."""
        return np.unique(np.concatenate([np.empty(0, dtype=np.intp), *self.differing.values()]))

    def values(self, name: str, number: int) -> tuple[float, float]:
        """What the batch and the answer say of an event."""
        online = self.answered.details[name if name in (SCORE, DECISION) else FEATURE + name]
        value = online[int(self.row[number])].as_py()
        if name not in (SCORE, DECISION):
            return float(self.stored.features[name][int(self.place[number])].as_py()), float(value)
        ids = self.stored.predictions.column(0).to_numpy()
        there = int(np.searchsorted(ids, self.stored.id[self.place[number]]))
        return float(self.stored.predictions[name][there].as_py()), float(value)


def differences(answered: Answered, stored: Stored) -> Differences:
    """Compare every logged feature that the lake has; scores and decisions where one release made
    both.
    """
    ids = answered.id[answered.today]
    place, there = located(stored.id, ids)
    row = np.flatnonzero(there)
    place = place[row]
    differing: dict[str, Places] = {}
    for name in answered.features:
        if name in stored.features.column_names:
            column = answered.details[FEATURE + name]
            online = column.to_numpy()[row].astype(np.float64, copy=False)
            batch = stored.features[name].to_numpy()[place].astype(np.float64)
            made = column.is_valid().to_numpy()[row]
            differing[name] = np.flatnonzero(made & (_bits(online) != _bits(batch)))
    scored, decided = _scores(answered, stored, row, place)
    return Differences(
        answered=answered,
        stored=stored,
        row=row,
        place=place,
        differing={**differing, **decided},
        scored=scored,
    )


def located(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[Places, NDArray[np.bool_]]:
    """Where each wanted id is among the ascending `ids`, and whether it is there at all."""
    if not len(ids):
        return np.zeros(len(wanted), dtype=np.intp), np.zeros(len(wanted), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return places, ids[places] == wanted


def _scores(
    answered: Answered, stored: Stored, row: Places, place: Places
) -> tuple[int, dict[str, Places]]:
    """How many scores were compared; the events whose score or decision differs."""
    predicted, details = stored.predictions, answered.details
    if not predicted.num_rows:
        return 0, {}
    at, there = located(predicted.column(0).to_numpy(), stored.id[place])
    release = details["release"].to_numpy(zero_copy_only=False)[row]
    batch_release = predicted["release"].to_numpy(zero_copy_only=False)[at]
    same = there & (release == batch_release)
    online_score, batch_score = details[SCORE].to_numpy()[row], predicted[SCORE].to_numpy()[at]
    decided, batch = (
        table[DECISION].to_numpy(zero_copy_only=False) for table in (details, predicted)
    )
    return int(same.sum()), {
        SCORE: np.flatnonzero(same & (_bits(online_score) != _bits(batch_score))),
        DECISION: np.flatnonzero(same & (decided[row] != batch[at])),
    }


def _bits(values: Floats) -> Ints:
    return np.ascontiguousarray(values).view(np.int64)
