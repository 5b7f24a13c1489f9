"""Why an answer's features are not the batch's: by rule, from what either side can have known of
the entity's history.

A cause explains a value only where it can have changed it: an event that one side did not know must
lie in the very windows that the feature is made of.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.definition import FeatureSet, WindowCount
from pipelines.parity.served.codes import CONTENT, FALLBACK, NOT_WHOLE, UNEXPLAINED, UNKNOWN, Codes
from pipelines.parity.served.differences import DECISION, SCORE, Differences, Places, located
from pipelines.parity.served.predictions import BOUNDED, BY_POLICY, UNKNOWN_ENTITY
from pipelines.parity.served.stored import History
from pipelines.parity.served.windows import Known, by_windows, windows_of


def causes(differing: Differences, features: FeatureSet, facts: Known) -> dict[str, Codes]:
    """For each name in `found.differing` the cause (place in `CAUSES`) of each event listed there.

    A score that differs has the cause of its features; with none that differs it is unexplained.
    """
    rows = differing.rows()
    whole, bounded = _of_rows(differing, rows, facts.history)
    names = [name for name in differing.features if len(differing.differing[name])]
    windows = {name: windows_of(features[name]) for name in names}
    unknown = _unknown(differing, rows, features)
    explained = by_windows(differing, rows, windows, facts)
    coded: dict[str, Codes] = {}
    for name in names:
        at = np.searchsorted(rows, differing.differing[name])
        codes = whole[at]
        for window in windows[name]:
            codes = np.minimum.reduce(
                [codes, bounded[at], unknown[window[0]][at], explained[window][at]]
            )
        coded[name] = codes
    worst = by_row(rows, differing.differing, coded)
    for name in (SCORE, DECISION):
        if len(differing.differing.get(name, ())):
            coded[name] = worst[np.searchsorted(rows, differing.differing[name])]
    return coded


def by_row(rows: Places, differing: Mapping[str, Places], coded: Mapping[str, Codes]) -> Codes:
    """The cause of each event of `rows`: unexplained where one of its values is, or none was looked
    at, else the first.

    `coded` holds the causes of the events in `differing`, by name.
    """
    least = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
    unexplained = np.zeros(len(rows), dtype=np.bool_)
    for name, codes in coded.items():
        at = np.searchsorted(rows, differing[name])
        least[at] = np.minimum(least[at], codes)
        unexplained[at[codes == UNEXPLAINED]] = True
    return np.where(unexplained, np.int8(UNEXPLAINED), least)


def _of_rows(differing: Differences, rows: Places, history: History) -> tuple[Codes, Codes]:
    """What an answer itself says: causes for all of its values, and for those over its entities'
    histories.
    """
    answered, row, place = differing.answered, differing.row[rows], differing.place[rows]
    rank = differing.rank[rows]
    of_row = answered.details.select(["fallback", BY_POLICY]).take(row)
    fallback = of_row["fallback"].to_numpy(zero_copy_only=False).astype(np.bool_)
    # By policy the rule decides, but the features are as they should be.
    by_policy = of_row[BY_POLICY].to_numpy(zero_copy_only=False).astype(np.bool_)
    order = np.argsort(history.id)
    at, there = located(history.id[order], answered.id[rank])
    content = answered.time[rank] != differing.stored.time[place]
    if len(order):
        content |= there & (answered.cents[rank] != history.cents[order[at]])
    for name, values in differing.stored.keys.items():
        content |= answered.keys[name][rank] != values[place]
    whole = np.full(len(rows), UNEXPLAINED, dtype=np.int8)
    whole[content] = CONTENT
    whole[fallback & ~by_policy] = FALLBACK
    bounded = np.where(
        answered.flags[rank] & BOUNDED != 0, np.int8(NOT_WHOLE), np.int8(UNEXPLAINED)
    )
    return whole, bounded


def _unknown(differing: Differences, rows: Places, features: FeatureSet) -> dict[str, Codes]:
    """By entity: where the answer says that nothing was known of an entity, and the batch counted
    more of its events.

    Where no count of that entity's events is logged, the flag alone says it.
    """
    flagged = differing.answered.flags[differing.rank[rows]] & UNKNOWN_ENTITY != 0
    codes: dict[str, Codes] = {}
    for entity in features.schema.entities:
        counts = [
            name
            for name in differing.features
            if isinstance(features[name], WindowCount)
            and windows_of(features[name])[0][0] == entity.name
        ]
        more = np.full(len(rows), not counts)
        for name in counts:
            more[np.searchsorted(rows, differing.differing[name])] = True
        codes[entity.name] = np.where(flagged & more, np.int8(UNKNOWN), np.int8(UNEXPLAINED))
    return codes
