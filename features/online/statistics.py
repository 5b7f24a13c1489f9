"""What a batch of requests found in an arena: the `Statistics` that their features are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from features.errors import FeatureError
from features.feature import EntityFeature, WindowFeature
from features.instants import MICROSECONDS_PER_DAY
from features.kinds import (
    LabelCount,
    LabelRate,
    SecondsSinceLast,
    WindowDeviation,
    WindowMax,
    WindowMean,
)
from features.online import windows
from features.stacked import Stack
from features.statistics import deviations_around_floor
from features.timeline import Ints

Window = tuple[int, int, bool]
"""Days, days of delay, whether the event itself is in it."""

_WANTS = {
    WindowMean: (windows.SUMS,),
    WindowDeviation: (windows.SQUARES,),
    WindowMax: (windows.MAXIMA,),
    LabelCount: (windows.POSITIVES,),
    LabelRate: (windows.POSITIVES,),
}


Place = int | slice | NDArray[np.intp]


class Windows:
    """Where the loops leave what they find in each window: the places of different windows, in
    their order.
    """

    def __init__(self, windows: Iterable[Window]) -> None:
        self._places = {window: place for place, window in enumerate(windows)}
        self._stacks: WeakKeyDictionary[Stack, Place] = WeakKeyDictionary()

    def place(self, feature: WindowFeature | Stack) -> Place:
        """The place of a feature's window, or those of a stack's."""
        if not isinstance(feature, Stack):
            return self._places[_window(feature)]
        if feature not in self._stacks:
            self._stacks[feature] = _together(
                [self._places[_window(member)] for member in feature.members]
            )
        return self._stacks[feature]


class ArenaAnswers:
    """What a batch of rows found: the `Statistics` behind the features of that kind of entity."""

    def __init__(
        self, windows: Windows, results: NDArray[np.int64], previous: Ints, at: Ints
    ) -> None:
        self._windows = windows
        self._results = results
        self._previous = previous
        self._at = at

    def counts(self, feature: WindowFeature) -> Ints:
        """Number of events in the window."""
        return self._of(feature, windows.COUNT)

    def sums(self, feature: WindowFeature) -> Ints:
        """Cents in the window."""
        return self._of(feature, windows.TOTAL)

    def squared_deviations(self, feature: WindowFeature) -> tuple[Ints, Ints]:
        """`deviations_around_floor` of the window's cents."""
        return deviations_around_floor(
            self.counts(feature), self.sums(feature), self._of(feature, windows.SQUARE)
        )

    def maxima(self, feature: WindowFeature) -> Ints:
        """Largest cents in the window, 0 where it is empty."""
        return self._of(feature, windows.LARGEST)

    def previous(self, feature: EntityFeature) -> tuple[NDArray[np.bool_], Ints]:
        """Whether the entity has an event before the query, not `days` old or older, and that
        event's time (µs).
        """
        return self._previous > self._at - feature.days * MICROSECONDS_PER_DAY, self._previous

    def positives(self, feature: WindowFeature) -> Ints:
        """Number of events in the window that were reported at or before the query."""
        return self._of(feature, windows.POSITIVE)

    def _of(self, feature: WindowFeature, what: int) -> Ints:
        results: Ints = self._results[self._windows.place(feature), what]
        return results


def _together(places: list[int]) -> slice | NDArray[np.intp]:
    """Places as one index; a slice where they follow one another, since that copies nothing."""
    if places == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[-1] + 1)
    return np.array(places)


def _window(feature: WindowFeature) -> Window:
    return feature.days, feature.delay_days, feature.include_current


def specified(features: Sequence[EntityFeature]) -> tuple[Windows, NDArray[np.int64]]:
    """The different windows of the features, and what the loops need to know of each."""
    wanted: dict[Window, set[int]] = {}
    for feature in features:
        if isinstance(feature, WindowFeature):
            wanted.setdefault(_window(feature), set()).update(_WANTS.get(type(feature), ()))
        elif not isinstance(feature, SecondsSinceLast):
            raise FeatureError(
                f"the live path does not know features of kind {feature.kind!r}",
                expected=(
                    "a kind of window that features/online/windows.py looks through, or seconds"
                    " since the last"
                ),
                found=type(feature).__name__,
            )
    rows = np.zeros((len(wanted), 7), dtype=np.int64)
    for row, (window, wants) in zip(rows, wanted.items(), strict=True):
        row[:3] = window
        row[list(wants)] = 1
    return Windows(wanted), rows
