"""What the windows of a feature hold that the scorer or the batch did not know: causes that can
have changed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

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
    """What explanations rest on.

    `night`: for each compared event the number of the last day whose end the scorer's states stood
    on. `reports` is called where labels may explain something.
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
    inputs = chain.from_iterable(windows_of(part) for part in feature.inputs)
    return tuple(dict.fromkeys((*own, *inputs)))


def by_windows(
    compared: Differences, rows: Places, windows: Mapping[str, Sequence[Window]], evidence: Known
) -> dict[Window, Codes]:
    """For each window the first cause, in it, that can have changed what the events of `rows`
    say.
    """
    wanted = dict.fromkeys(chain.from_iterable(windows.values()))
    explained: dict[Window, Codes] = {}
    if not wanted:
        return explained
    suspects = gathered(compared.answered, evidence.history, int(evidence.night.min(initial=NEVER)))
    events = {entity: ByEntity(suspects, entity) for entity in {window[0] for window in wanted}}
    reported = evidence.reports() if any(window[3] for window in wanted) else None
    reports = {
        window[0]: ByEntity(_as_suspects(reported), window[0])
        for window in wanted
        if reported and window[3]
    }
    for window in wanted:
        using = [name for name, some in windows.items() if window in some]
        places = np.unique(np.concatenate([compared.differing[name] for name in using]))
        codes = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
        at = np.searchsorted(rows, places)
        for number, code in _in_window(compared, places, events[window[0]], window, evidence.night):
            np.minimum.at(codes, at[number], np.int8(code))
        if window[3] and window[0] in reports:
            late = at[_reported(compared, places, reports[window[0]], window, evidence.night)]
            codes[late] = np.minimum(codes[late], np.int8(REPORT))
        explained[window] = codes
    return explained


def _in_window(
    compared: Differences, places: Places, events: ByEntity, window: Window, night: Ints
) -> Iterator[tuple[Places, int]]:
    """Events (numbers into `places`) and a cause that the window holds for them."""
    answered, rank = compared.answered, compared.rank[places]
    for number, suspect in _near(compared, places, events, window):
        own, suspects = rank[number], events.suspects.of(suspect)
        unknown = suspects.since > night[places[number]]
        before = unknown & (suspects.rank < own)
        asked_later = unknown & (suspects.rank > own) & (suspects.rank != NEVER)
        moment = answered.stamp[own] - suspects.stamp < SAME_MOMENT
        yield number[before & suspects.other], CONTENT
        yield number[asked_later & ~suspects.gone], LATER
        yield number[unknown & (suspects.rank == NEVER)], NEVER_ASKED
        yield number[before & suspects.gone], NEVER_ARRIVED
        yield number[before & moment & (suspects.writer != answered.writer[own])], CONCURRENT


def _reported(
    compared: Differences, places: Places, reports: ByEntity, window: Window, night: Ints
) -> Places:
    """Events whose window holds one that was reported by then, which the states of their night did
    not say.
    """
    answered, rank, held = compared.answered, compared.rank[places], reports.suspects
    late = [np.empty(0, dtype=np.intp)]
    for number, report in _near(compared, places, reports, window):
        by_then = held.rank[report] <= answered.time[rank[number]]
        late.append(number[by_then & (held.since[report] > night[places[number]])])
    return np.unique(np.concatenate(late))


def _near(
    compared: Differences, places: Places, held: ByEntity, window: Window
) -> Iterator[tuple[Places, Places]]:
    entity, days, delay, _ = window
    answered, rank = compared.answered, compared.rank[places]
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
