"""Which rows of a training frame belong to a slice: bands of stored features and groups of entity
keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from pipelines.problems.metrics import Array
from pipelines.usecases.definition import UseCase
from pipelines.usecases.policies.evidence import Band, KeyGroup, Slice

if TYPE_CHECKING:
    import pandas as pd


def slice_columns(use_case: UseCase) -> tuple[str, ...]:
    """The stored features that the use case's slices look at, each once."""
    parts = chain.from_iterable(piece.where for piece in use_case.evidence.slices)
    bands = (part for part in parts if isinstance(part, Band))
    return tuple(dict.fromkeys(band.column for band in bands))


@dataclass(frozen=True)
class SliceRows:
    """Selects the rows of slices; `keys` holds the distinct keys (ascending) from which ranges of
    keys are cut.
    """

    keys: Mapping[str, Array]

    @classmethod
    def of(cls, frame: pd.DataFrame, use_case: UseCase) -> SliceRows:
        """Ranges of keys are those of the whole `frame`, so that a group is the same on its train
        and test days.
        """
        parts = list(chain.from_iterable(piece.where for piece in use_case.evidence.slices))
        names = {part.key for part in parts if isinstance(part, KeyGroup)}
        return cls(
            {name: np.unique(frame[name].to_numpy()) for name in sorted(names) if name in frame}
        )

    def missing(self, frame: pd.DataFrame, piece: Slice) -> list[str]:
        """The columns that the slice needs and the frame lacks."""
        needed = [part.column if isinstance(part, Band) else part.key for part in piece.where]
        return [name for name in needed if name not in frame]

    def mask(self, frame: pd.DataFrame, piece: Slice) -> Array:
        """Which rows of a frame are in the slice (bool)."""
        inside = np.ones(len(frame), dtype=np.bool_)
        for part in piece.where:
            inside &= (
                self._band(frame, part) if isinstance(part, Band) else self._group(frame, part)
            )
        return inside

    def _band(self, frame: pd.DataFrame, band: Band) -> Array:
        value = frame[band.column].to_numpy()
        return np.asarray((value >= band.low) & (value < band.high))

    def _group(self, frame: pd.DataFrame, group: KeyGroup) -> Array:
        key = frame[group.key].to_numpy()
        if group.by == "remainder":
            return np.asarray(key % group.of == group.number)
        place = np.searchsorted(self.keys[group.key], key)
        return np.asarray(place * group.of // max(1, len(self.keys[group.key])) == group.number)
