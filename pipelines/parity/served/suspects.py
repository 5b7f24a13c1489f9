"""Events of which the scorer and the batch did not know the same, and the answers that they can
have changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.instants import MICROSECONDS_PER_DAY
from features.timeline import Ints
from pipelines.parity.served.differences import located
from pipelines.parity.served.predictions import Answered
from pipelines.parity.served.stored import History

PAIRS_AT_ONCE = 4_000_000
NEVER = int(np.iinfo(np.int64).max)
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """Versions of events, as the lake or as an answer has them; `keys` by the entity's name, times
    in µs.

    `rank`, `stamp` and `writer` are those of the answer (`NEVER` in `rank` where there is none).
    `since`: the day (number since 1970) from whose end on a night's states hold the truth about it.
    `gone`: answered and never in the lake. `other`: the lake has it with another content.
    """

    id: Ints
    time: Ints
    keys: dict[str, NDArray[Any]]
    rank: Ints
    stamp: Ints
    writer: Ints
    since: Ints
    gone: Bools
    other: Bools

    def of(self, which: NDArray[Any]) -> Suspects:
        """Some of them."""
        keys = {name: values[which] for name, values in self.keys.items()}
        others = {name: values[which] for name, values in vars(self).items() if name != "keys"}
        return Suspects(keys=keys, **others)


def gathered(answered: Answered, history: History, night: int) -> Suspects:
    """Every event that was answered, or that the states as of the end of day `night` did not
    hold.
    """
    order = np.argsort(answered.id)
    place, there = located(answered.id[order], history.id)
    rank = order[place] if len(order) else place
    other = there & _changed(answered, rank, history)
    _, in_history = located(np.sort(history.id), answered.id)
    gone = ~in_history & (answered.time >= (night + 1) * MICROSECONDS_PER_DAY)
    changed = np.zeros(len(answered), dtype=np.bool_)
    changed[rank[other]] = True
    suspicious = np.flatnonzero(gone | changed)
    since = np.maximum(answered.time, answered.stamp)[suspicious] // MICROSECONDS_PER_DAY

    def both(lake: NDArray[Any], ours: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([lake, ours])

    ranks = np.where(there, rank, NEVER)
    return Suspects(
        id=both(history.id, answered.id[suspicious]),
        time=both(history.time, answered.time[suspicious]),
        keys={
            name: both(history.keys[name], answered.keys[name][suspicious]) for name in history.keys
        },
        rank=both(ranks, suspicious),
        stamp=both(
            np.where(there, answered.stamp[rank], NEVER) if len(order) else ranks,
            answered.stamp[suspicious],
        ),
        writer=both(
            np.where(there, answered.writer[rank], -1) if len(order) else ranks,
            answered.writer[suspicious],
        ),
        since=both(history.since, since),
        gone=both(np.zeros(len(history.id), dtype=np.bool_), gone[suspicious]),
        other=both(other, changed[suspicious]),
    )


class ByEntity:
    """Suspects in the order of one entity's keys and their times, so that those of a window lie
    side by side.
    """

    def __init__(self, suspects: Suspects, entity: str) -> None:
        self._clock = np.sort(suspects.time)
        self._known, codes = np.unique(suspects.keys[entity], return_inverse=True)
        place = codes * (len(self._clock) + 1) + np.searchsorted(self._clock, suspects.time)
        order = np.argsort(place, kind="stable")
        self._place = place[order]
        self.suspects = suspects.of(order)

    def near(
        self, keys: NDArray[Any], times: Ints, ids: Ints, *, days: int, delay_days: int
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Pairs (number of an event, place in `suspects`) of which the second is in a window of the
        first, in blocks.

        The window is `days` long, ends `delay_days` before the event, and holds what comes before
        the event by (time, id), as `features.feature.WindowFeature` has it.
        """
        ends = times - delay_days * MICROSECONDS_PER_DAY
        code, there = _coded(self._known, keys)
        first = self._past(code, ends - days * MICROSECONDS_PER_DAY)
        counts = np.where(there, self._past(code, ends) - first, 0)
        held = self.suspects
        for begin, end in _blocks(counts):
            number = np.repeat(np.arange(begin, end), counts[begin:end])
            before = np.repeat(np.cumsum(counts[begin:end]) - counts[begin:end], counts[begin:end])
            nearby = first[number] + np.arange(len(number)) - before
            at, limit = held.time[nearby], times[number]
            earlier = (at < limit) | ((at == limit) & (held.id[nearby] < ids[number]))
            yield number[earlier], nearby[earlier]

    def _past(self, code: NDArray[np.intp], bound: Ints) -> NDArray[np.intp]:
        """The first place after the suspects of those entities whose time is at or before the
        bound.
        """
        ticks = np.searchsorted(self._clock, bound, side="right")
        return np.searchsorted(self._place, code * (len(self._clock) + 1) + ticks)


def _changed(answered: Answered, rank: NDArray[np.intp], history: History) -> Bools:
    """Where an answer's time, amount or keys are not those of the lake."""
    if not len(answered):
        return np.zeros(len(history.id), dtype=np.bool_)
    changed: Bools = (answered.time[rank] != history.time) | (answered.cents[rank] != history.cents)
    for name, values in history.keys.items():
        changed = changed | (answered.keys[name][rank] != values)
    return changed


def _coded(sorted_keys: NDArray[Any], keys: NDArray[Any]) -> tuple[NDArray[np.intp], Bools]:
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=np.intp), np.zeros(len(keys), dtype=np.bool_)
    code = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return code, np.asarray(sorted_keys[code] == keys)


def _blocks(counts: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Ranges of events that have about `PAIRS_AT_ONCE` pairs each."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + PAIRS_AT_ONCE, side="right")))
        yield begin, end
        begin = end
