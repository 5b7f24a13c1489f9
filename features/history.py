"""The histories of one kind of entity on a time line: window ends, running totals, marks of
reported labels.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.feature import EntityFeature, WindowFeature
from features.instants import MICROSECONDS_PER_DAY
from features.statistics import deviations_around_floor
from features.timeline import NEVER, Ints, Timeline

Window = tuple[Ints, Ints]
"""First position in the entity order and the one past the last, for each query."""


class EntityHistory:
    """The events of a time line in the order (entity, time, id), and where in it the windows of the
    queries lie.
    """

    def __init__(self, timeline: Timeline, keys: NDArray[Any]) -> None:
        self._timeline = timeline
        self._stride = len(timeline.events) + 1
        self._codes = _codes(keys, limit=np.iinfo(np.int64).max // self._stride - 1)
        self._windows: dict[tuple[int, int, bool], Window] = {}

    @cached_property
    def _places(self) -> Ints:
        """`code x stride + rank` of every event, ascending: the entity order."""
        places = self._codes[self._timeline.order] * self._stride
        places += np.arange(len(places))
        places.sort()
        return places

    @cached_property
    def _starts(self) -> Ints:
        """`code x stride` of each query's entity."""
        return self._codes[self._timeline.rows] * self._stride

    @cached_property
    def _by_place(self) -> NDArray[np.intp]:
        """The queries in the entity order: searching for neighbours one after the other is what
        caches like.
        """
        return np.argsort(self._starts + self._timeline.ranks)

    @cached_property
    def _indices(self) -> NDArray[np.intp]:
        """Indices of the events in the entity order."""
        return self._timeline.order[self._places % self._stride]

    @cached_property
    def position(self) -> Ints:
        """Position of each query in the entity order."""
        return self._search(self._places, self._starts + self._timeline.ranks)

    @cached_property
    def cents(self) -> Ints:
        """Amounts in the entity order."""
        return self._timeline.events.cents[self._indices]

    @cached_property
    def _sums(self) -> Ints:
        """Running total of the amounts, beginning with 0."""
        return _running_total(self.cents)

    @cached_property
    def _square_sums(self) -> Ints:
        """Running total of the squares, modulo 2**64: differences are exact as long as a window's
        own total fits.
        """
        return _running_total(self.cents * self.cents)

    def window(self, feature: WindowFeature) -> Window:
        """Where the feature's window begins and ends, for each query."""
        key = (feature.days, feature.delay_days, feature.include_current)
        if key not in self._windows:
            first = self._end(feature.days + feature.delay_days)
            past = (
                self._end(feature.delay_days)
                if feature.delay_days
                else self.position + feature.include_current
            )
            self._windows[key] = (first, past)
        return self._windows[key]

    def counts(self, feature: WindowFeature) -> Ints:
        """Number of events in the window."""
        first, past = self.window(feature)
        return past - first

    def sums(self, feature: WindowFeature) -> Ints:
        """Cents in the window."""
        first, past = self.window(feature)
        return self._sums[past] - self._sums[first]

    def squared_deviations(self, feature: WindowFeature) -> tuple[Ints, Ints]:
        """`deviations_around_floor` of the window's cents."""
        first, past = self.window(feature)
        return deviations_around_floor(
            past - first, self.sums(feature), self._square_sums[past] - self._square_sums[first]
        )

    def maxima(self, feature: WindowFeature) -> Ints:
        """Largest cents in the window, 0 where it is empty: two spans as long as a power of two
        cover any window.
        """
        first, past = self.window(feature)
        largest = np.zeros(len(first), dtype=np.int64)
        exponents = np.frexp(past - first)[1] - 1
        spans = self.cents
        for exponent in range(int(exponents.max(initial=-1)) + 1):
            here = exponents == exponent
            width = 1 << exponent
            largest[here] = np.maximum(spans[first[here]], spans[past[here] - width])
            spans = np.maximum(spans[:-width], spans[width:])
        return largest

    def previous(self, feature: EntityFeature) -> tuple[NDArray[np.bool_], Ints]:
        """Whether the entity has an event before the query, not `days` old or older, and that
        event's time.
        """
        before = self.position - 1
        there = before >= self._end(feature.days)
        times = self._timeline.events.time[self._indices]
        return there, times[np.where(there, before, 0)]

    def positives(self, feature: WindowFeature) -> Ints:
        """Number of events in the window that were reported at or before the query.

        A reported event enters at max(time + delay, reported_at), later than itself, and leaves at
        time + delay + days; what has entered and not left is in. A report that is dated before its
        event is none.
        """
        events = self._timeline.events
        marked = np.flatnonzero((events.reported != NEVER) & (events.reported >= events.time))
        due = events.time[marked] + feature.delay_days * MICROSECONDS_PER_DAY
        leaves = due + feature.days * MICROSECONDS_PER_DAY
        enters = np.maximum(np.maximum(due, events.time[marked] + 1), events.reported[marked])
        return self._passed(marked, np.minimum(enters, leaves)) - self._passed(marked, leaves)

    def _passed(self, marked: NDArray[np.intp], instants: Ints) -> Ints:
        """Marks that lie at or before each query in the entity order (of all entities: what went
        before cancels).
        """
        marks = self._codes[marked] * self._stride
        marks += np.searchsorted(self._timeline.times, instants, side="left")
        marks.sort()
        return self._search(marks, self._starts + self._timeline.ranks, side="right")

    def _end(self, days: int) -> Ints:
        """Position past the last event of the query's entity that is `days` old or older."""
        return self._search(self._places, self._starts + self._timeline.bound(days))

    def _search(self, places: Ints, wanted: Ints, side: Any = "left") -> Ints:
        positions = np.empty(len(wanted), dtype=np.int64)
        positions[self._by_place] = np.searchsorted(places, wanted[self._by_place], side=side)
        return positions


def _codes(keys: NDArray[Any], *, limit: int) -> Ints:
    """Whole numbers from 0 to `limit` that stand for the keys: themselves where they are such
    numbers.
    """
    if keys.dtype.kind in "iu" and len(keys) and keys.min() >= 0 and keys.max() <= limit:
        return keys.astype(np.int64, copy=False)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64, copy=False)


def _running_total(values: Ints) -> Ints:
    totals = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=totals[1:])
    return totals
