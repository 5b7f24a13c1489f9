"""What the windows of a feature hold that the scorer or the batch did not know: causes that can have changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.feature import EntityFeature, Feature
from features.timeline import Ints
from pipelines.parity.served.codes import (
    CONCURRENT,
    CONTENT,
    LATER,
    NEVER_ARRIVED,
    NEVER_ASKED,
    REPORT,
    UNEXPLAINED,
    Codes,
)
from pipelines.parity.served.differences import Differences, Places
from pipelines.parity.served.stored import History, Reports
from pipelines.parity.served.suspects import NEVER, ByEntity, Suspects, gathered

SAME_MOMENT = 1_000_000
"""µs within which two workers may not have seen each other's answers."""

Window = tuple[str, int, int, bool]
"""Entity, days, delay in days, and whether labels are read."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What explanations rest on. `night`: for each compared event the number of the last day whose end the scorer's
    states stood on. `reports` is called where labels may explain something.
    """

    history: History
    night: Ints
    reports: Callable[[], Reports | None]


def windows_of(feature: Feature) -> tuple[Window, ...]:
    """The windows over entities' histories that a feature is made of, its inputs' included."""
    own: tuple[Window, ...] = ()
    if isinstance(feature, EntityFeature):
        labels = "reported" in feature.reads
        own = ((feature.entity, feature.days, int(getattr(feature, "delay_days", 0)), labels),)
    return tuple(dict.fromkeys((*own, *(window for part in feature.inputs for window in windows_of(part)))))


def by_windows(
    found: Differences, rows: Places, windows: Mapping[str, Sequence[Window]], known: Known
) -> dict[Window, Codes]:
    """For each window the first cause, in it, that can have changed what the events of `rows` say."""
    wanted = dict.fromkeys(window for some in windows.values() for window in some)
    explained: dict[Window, Codes] = {}
    if not wanted:
        return explained
    suspects = gathered(found.answered, known.history, int(known.night.min(initial=NEVER)))
    events = {entity: ByEntity(suspects, entity) for entity in {window[0] for window in wanted}}
    reported = known.reports() if any(window[3] for window in wanted) else None
    told = {window[0]: ByEntity(_as_suspects(reported), window[0]) for window in wanted if reported and window[3]}
    for window in wanted:
        using = [name for name, some in windows.items() if window in some]
        places = np.unique(np.concatenate([found.differing[name] for name in using]))
        codes = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
        at = np.searchsorted(rows, places)
        for number, code in _in_window(found, places, events[window[0]], window, known.night):
            np.minimum.at(codes, at[number], np.int8(code))
        if window[3] and window[0] in told:
            late = at[_reported(found, places, told[window[0]], window, known.night)]
            codes[late] = np.minimum(codes[late], np.int8(REPORT))
        explained[window] = codes
    return explained


def _in_window(
    found: Differences, places: Places, events: ByEntity, window: Window, night: Ints
) -> Iterator[tuple[Places, int]]:
    """Events (numbers into `places`) and a cause that the window holds for them."""
    answered, rank = found.answered, found.rank[places]
    for number, suspect in _near(found, places, events, window):
        mine, one = rank[number], events.suspects.of(suspect)
        unknown = one.since > night[places[number]]
        before, asked_later = unknown & (one.rank < mine), unknown & (one.rank > mine) & (one.rank != NEVER)
        moment = answered.stamp[mine] - one.stamp < SAME_MOMENT
        yield number[before & one.other], CONTENT
        yield number[asked_later & ~one.gone], LATER
        yield number[unknown & (one.rank == NEVER)], NEVER_ASKED
        yield number[before & one.gone], NEVER_ARRIVED
        yield number[before & moment & (one.writer != answered.writer[mine])], CONCURRENT


def _reported(found: Differences, places: Places, reports: ByEntity, window: Window, night: Ints) -> Places:
    """Events whose window holds one that was reported by then, which the states of their night did not say."""
    answered, rank, held = found.answered, found.rank[places], reports.suspects
    told = [np.empty(0, dtype=np.intp)]
    for number, report in _near(found, places, reports, window):
        by_then = held.rank[report] <= answered.time[rank[number]]
        told.append(number[by_then & (held.since[report] > night[places[number]])])
    return np.unique(np.concatenate(told))


def _near(found: Differences, places: Places, held: ByEntity, window: Window) -> Iterator[tuple[Places, Places]]:
    entity, days, delay, _ = window
    answered, rank = found.answered, found.rank[places]
    keys, times, ids = answered.keys[entity][rank], answered.time[rank], answered.id[rank]
    return held.near(keys, times, ids, days=days, delay_days=delay)


def _as_suspects(reports: Reports) -> Suspects:
    """Reported events; `rank` is when they were reported (µs)."""
    plain = np.zeros(len(reports.time), dtype=np.int64)
    return Suspects(
        id=plain,
        time=reports.time,
        keys=dict(reports.keys),
        rank=reports.reported,
        stamp=plain,
        writer=plain,
        since=reports.since,
        gone=plain.astype(np.bool_),
        other=plain.astype(np.bool_),
    )
