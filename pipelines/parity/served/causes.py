"""Why an answer's features are not the batch's: by rule, from what either side can have known of the entity's history.

A cause explains a value only where it can have changed it: an event that one side did not know must lie in the very
windows that the feature is made of.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.definition import FeatureSet, WindowCount
from pipelines.parity.served.codes import CONTENT, FALLBACK, NOT_WHOLE, UNEXPLAINED, UNKNOWN, Codes
from pipelines.parity.served.differences import DECISION, SCORE, Differences, Places, located
from pipelines.parity.served.predictions import BOUNDED, UNKNOWN_ENTITY
from pipelines.parity.served.stored import History
from pipelines.parity.served.windows import Known, by_windows, windows_of

BY_POLICY = "by policy"
"""How the reason of a fallback begins in which the rule decides, but features are as they should be."""


def causes(compared: Differences, features: FeatureSet, evidence: Known) -> dict[str, Codes]:
    """For each name in `compared.differing` the cause (place in `CAUSES`) of each event listed there.

    A score that differs has the cause of its features; with none that differs it is unexplained.
    """
    rows = compared.rows()
    whole, bounded = _of_rows(compared, rows, evidence.history)
    names = [name for name in compared.features if len(compared.differing[name])]
    windows = {name: windows_of(features[name]) for name in names}
    unknown = _unknown(compared, rows, features)
    explained = by_windows(compared, rows, windows, evidence)
    coded: dict[str, Codes] = {}
    for name in names:
        at = np.searchsorted(rows, compared.differing[name])
        codes = whole[at]
        for window in windows[name]:
            codes = np.minimum.reduce([codes, bounded[at], unknown[window[0]][at], explained[window][at]])
        coded[name] = codes
    worst = by_row(rows, compared.differing, coded)
    for name in (SCORE, DECISION):
        if len(compared.differing.get(name, ())):
            coded[name] = worst[np.searchsorted(rows, compared.differing[name])]
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


def _of_rows(compared: Differences, rows: Places, history: History) -> tuple[Codes, Codes]:
    """What an answer itself says: causes for all of its values, and for those over its entities' histories."""
    answered, row, place = compared.answered, compared.row[rows], compared.place[rows]
    rank = compared.rank[rows]
    details = answered.details.select(["fallback", "reason"]).take(row)
    fallback = details["fallback"].to_numpy(zero_copy_only=False).astype(np.bool_)
    by_policy = np.array(
        [str(reason or "").startswith(BY_POLICY) for reason in details["reason"].to_pylist()], dtype=bool
    )
    order = np.argsort(history.id)
    at, there = located(history.id[order], answered.id[rank])
    content = answered.time[rank] != compared.stored.time[place]
    if len(order):
        content |= there & (answered.cents[rank] != history.cents[order[at]])
    for name, values in compared.stored.keys.items():
        content |= answered.keys[name][rank] != values[place]
    whole = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
    whole[content] = CONTENT
    whole[fallback & ~by_policy] = FALLBACK
    bounded = np.where(answered.flags[rank] & BOUNDED != 0, np.int8(NOT_WHOLE), np.int8(UNEXPLAINED))
    return whole, bounded


def _unknown(compared: Differences, rows: Places, features: FeatureSet) -> dict[str, Codes]:
    """By entity: where the answer says that nothing was known of an entity, and the batch counted more of its events.

    Where no count of that entity's events is logged, the flag alone says it.
    """
    flagged = compared.answered.flags[compared.rank[rows]] & UNKNOWN_ENTITY != 0
    codes: dict[str, Codes] = {}
    for entity in features.schema.entities:
        counts = [
            name
            for name in compared.features
            if isinstance(features[name], WindowCount) and windows_of(features[name])[0][0] == entity.name
        ]
        more = np.full(len(rows), not counts)
        for name in counts:
            more[np.searchsorted(rows, compared.differing[name])] = True
        codes[entity.name] = np.where(flagged & more, np.int8(UNKNOWN), np.int8(UNEXPLAINED))
    return codes
