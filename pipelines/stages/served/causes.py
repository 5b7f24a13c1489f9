"""Why an answer's features are not the batch's: by rule, from what either side can have known of the entity's history.

A cause explains a value only where it can have changed it: an event that one side did not know must lie in the very
windows that the feature is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.definition import FeatureSet
from features.feature import EntityFeature, Feature
from features.timeline import Ints
from pipelines.stages.served.answered import BOUNDED, UNKNOWN_ENTITY
from pipelines.stages.served.differences import DECISION, SCORE, Differences, Places, located
from pipelines.stages.served.stored import History, Reports
from pipelines.stages.served.suspects import NEVER, Suspects, gathered, near

CAUSES = (
    "fallback",
    "history not whole",
    "other content",
    "later event first",
    "never asked",
    "never arrived",
    "concurrent",
    "unknown then known",
    "report",
    "unexplained",
)
"""In the order in which they are tried; the first that can have changed a value is its cause."""

FALLBACK, NOT_WHOLE, CONTENT, LATER, NEVER_ASKED, NEVER_ARRIVED, CONCURRENT, UNKNOWN, REPORT, UNEXPLAINED = range(10)
SAME_MOMENT = 1_000_000
"""µs within which two workers may not have seen each other's answers."""

BY_POLICY = "by policy"
"""How the reason of a fallback begins in which the rule decides, but features are as they should be."""

Codes = NDArray[np.int8]
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


def causes(found: Differences, features: FeatureSet, known: Known) -> dict[str, Codes]:
    """For each name in `found.differing` the cause (place in `CAUSES`) of each event listed there.

    A score that differs has the cause of its features; with none that differs it is unexplained.
    """
    rows = found.rows()
    whole, entity = _of_rows(found, rows, known.history)
    names = [name for name in found.features if len(found.differing[name])]
    windows = {name: windows_of(features[name]) for name in names}
    explained = _by_windows(found, rows, {name: windows[name] for name in names}, known)
    coded: dict[str, Codes] = {}
    for name in names:
        at = np.searchsorted(rows, found.differing[name])
        codes = whole[at]
        if windows[name]:
            codes = np.minimum(codes, entity[at])
        for window in windows[name]:
            codes = np.minimum(codes, explained[window][at])
        coded[name] = codes
    worst = by_row(rows, found.differing, coded)
    for name in (SCORE, DECISION):
        if len(found.differing.get(name, ())):
            coded[name] = worst[np.searchsorted(rows, found.differing[name])]
    return coded


def by_row(rows: Places, differing: Mapping[str, Places], coded: Mapping[str, Codes]) -> Codes:
    """The cause of each event of `rows`: unexplained where one of its values is, or none was looked at, else the first.

    `coded` holds the causes of the events in `differing`, by name.
    """
    least = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
    unexplained = np.zeros(len(rows), dtype=np.bool_)
    for name, codes in coded.items():
        at = np.searchsorted(rows, differing[name])
        least[at] = np.minimum(least[at], codes)
        unexplained[at[codes == UNEXPLAINED]] = True
    return np.where(unexplained, np.int8(UNEXPLAINED), least)


def windows_of(feature: Feature) -> tuple[Window, ...]:
    """The windows over entities' histories that a feature is made of, its inputs' included."""
    own: tuple[Window, ...] = ()
    if isinstance(feature, EntityFeature):
        labels = "reported" in feature.reads
        own = ((feature.entity, feature.days, int(getattr(feature, "delay_days", 0)), labels),)
    return tuple(dict.fromkeys((*own, *(window for part in feature.inputs for window in windows_of(part)))))


def _of_rows(found: Differences, rows: Places, history: History) -> tuple[Codes, Codes]:
    """What an answer itself says: causes for all of its values, and for those over its entities' histories."""
    answered, row, place = found.answered, found.row[rows], found.place[rows]
    rank = found.rank[rows]
    told = answered.told.select(["fallback", "reason"]).take(row)
    fallback = told["fallback"].to_numpy(zero_copy_only=False).astype(np.bool_)
    by_policy = np.array([str(reason or "").startswith(BY_POLICY) for reason in told["reason"].to_pylist()], dtype=bool)
    order = np.argsort(history.id)
    at, there = located(history.id[order], answered.id[rank])
    content = answered.time[rank] != found.stored.time[place]
    if len(order):
        content |= there & (answered.cents[rank] != history.cents[order[at]])
    for name, values in found.stored.keys.items():
        content |= answered.keys[name][rank] != values[place]
    whole = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
    whole[content] = CONTENT
    whole[fallback & ~by_policy] = FALLBACK
    entity = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
    entity[answered.flags[rank] & UNKNOWN_ENTITY != 0] = UNKNOWN
    entity[answered.flags[rank] & BOUNDED != 0] = NOT_WHOLE
    return whole, entity


def _by_windows(
    found: Differences, rows: Places, windows: Mapping[str, Sequence[Window]], known: Known
) -> dict[Window, Codes]:
    """For each window the first cause, in it, that can have changed what the events of `rows` say."""
    wanted = dict.fromkeys(window for some in windows.values() for window in some)
    explained: dict[Window, Codes] = {}
    if not wanted:
        return explained
    suspects = gathered(found.answered, known.history, int(known.night.min(initial=NEVER)))
    reports = known.reports() if any(window[3] for window in wanted) else None
    for window in wanted:
        using = [name for name, some in windows.items() if window in some]
        places = np.unique(np.concatenate([found.differing[name] for name in using]))
        codes = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
        at = np.searchsorted(rows, places)
        for number, code in _in_window(found, places, suspects, window, known.night):
            np.minimum.at(codes, at[number], np.int8(code))
        if reports is not None and window[3]:
            told = _reported(found, places, reports, window, known.night)
            codes[at[told]] = np.minimum(codes[at[told]], np.int8(REPORT))
        explained[window] = codes
    return explained


def _in_window(
    found: Differences, places: Places, suspects: Suspects, window: Window, night: Ints
) -> Iterator[tuple[Places, int]]:
    """Events (numbers into `places`) and a cause that the window holds for them."""
    entity, days, delay, _ = window
    answered, rank = found.answered, found.rank[places]
    asked = (answered.keys[entity][rank], answered.time[rank], answered.id[rank])
    for number, suspect in near(suspects, entity, asked, days, delay):
        mine, one = rank[number], suspects.of(suspect)
        unknown = one.since > night[places[number]]
        before, asked_later = unknown & (one.rank < mine), unknown & (one.rank > mine) & (one.rank != NEVER)
        moment = answered.stamp[mine] - one.stamp < SAME_MOMENT
        yield number[before & one.other], CONTENT
        yield number[asked_later & ~one.gone], LATER
        yield number[unknown & (one.rank == NEVER)], NEVER_ASKED
        yield number[before & one.gone], NEVER_ARRIVED
        yield number[before & moment & (one.writer != answered.writer[mine])], CONCURRENT


def _reported(found: Differences, places: Places, reports: Reports, window: Window, night: Ints) -> Places:
    """Events whose window holds one that was reported by then, which the states of their night did not say."""
    entity, days, delay, _ = window
    answered, rank = found.answered, found.rank[places]
    count = len(reports.time)
    plain = np.zeros(count, dtype=np.int64)
    as_suspects = Suspects(
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
    asked = (answered.keys[entity][rank], answered.time[rank], answered.id[rank])
    told = [np.empty(0, dtype=np.intp)]
    for number, report in near(as_suspects, entity, asked, days, delay):
        known_then = as_suspects.rank[report] <= answered.time[rank[number]]
        told.append(number[known_then & (as_suspects.since[report] > night[places[number]])])
    return np.unique(np.concatenate(told))
