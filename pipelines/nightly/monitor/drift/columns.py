"""Columns of a day against the same weekdays before: constant, missing, moved, or torn from their
key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from pipelines.nightly.monitor.profile import DayProfile
from pipelines.nightly.monitor.signals import Area, Past, Signal
from pipelines.nightly.monitor.sketch import Sketch, Values, distances, matrix, shares_off, spreads
from pipelines.nightly.weekday_baseline import (
    TO_SIGMA,
    other_days_of_weekday,
    same_weekdays,
    window_before,
)
from pipelines.usecases.policies.watch import WatchPolicy

UNPROVEN = 2.0
"""How much wider a floor is while too few days are known to say how far they are from each
other.
"""
RECENT = 7
"""Days that a feature which was broken overnight must have left, all of them."""
PROVEN = 7
"""Days that it takes to say how far they are from each other."""


FEWEST_VALUES = 100
"""Rows of the sample that must be off a feature's commonest value before its agreement within a key
is judged.
"""


def constants(today: DayProfile, before: Sequence[DayProfile] = ()) -> Iterator[Signal]:
    """Columns without a single value, or with one value for all rows where days before had
    several.
    """
    for area, columns, name_of in (
        ("feed", today.inputs, "inputs"),
        ("features", today.features, "features"),
    ):
        for name, column in columns.items():
            earlier = [
                getattr(day, name_of)[name] for day in before if name in getattr(day, name_of)
            ]
            varied = bool(earlier) and not any(other.constant or other.empty for other in earlier)
            if column.empty or (column.constant and varied):
                text = (
                    f"{name} has no value at all"
                    if column.empty
                    else f"{name} is {column.quantiles[0]:g} in every row"
                )
                yield Signal(area=area, name=name, value=1.0, limit=0.0, told=text, strength=50.0)  # type: ignore[arg-type]


def torn(today: DayProfile, before: Sequence[DayProfile], policy: WatchPolicy) -> Iterator[Signal]:
    """Features that no longer agree within a key, though each column by itself may look as ever.

    Of a feature that is zero in nearly all rows a handful of them makes the correlation: it is not
    judged.
    """
    for name, correlation in today.coherence.items():
        column = today.features.get(name)
        if column is not None and shares_off(matrix([column]))[0] * column.rows < FEWEST_VALUES:
            continue
        earlier = [profile.coherence[name] for profile in before if name in profile.coherence]
        usual = min(earlier) if len(earlier) >= policy.least else 0.0
        if usual >= policy.coherent and correlation < usual * policy.torn:
            text = (
                f"{name} disagrees within a key: correlation {usual:.2f} → {correlation:.2f}, as if"
                " joined to wrong rows"
            )
            limit = usual * policy.torn
            yield Signal(
                area="features", name=name, value=correlation, limit=limit, told=text, strength=10.0
            )


def columns(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    """Raw columns, features and scores that moved, or lost values."""
    inputs, features = (
        {d: p.inputs for d, p in past.items()},
        {d: p.features for d, p in past.items()},
    )
    yield from _moved(day, "inputs", today.inputs, inputs, policy, policy.distance, past.odd)
    yield from _moved(day, "features", today.features, features, policy, policy.distance, past.odd)
    if today.score is not None:
        scores = {
            d: {"score": p.score} for d, p in past.items() if p.score and p.release == today.release
        }
        yield from _moved(
            day, "scores", {"score": today.score}, scores, policy, policy.score_distance, past.odd
        )


def _moved(
    day: date,
    area: Area,
    today: Mapping[str, Sketch],
    past: Mapping[date, Mapping[str, Sketch]],
    policy: WatchPolicy,
    floor: float,
    odd: Collection[date],
) -> Iterator[Signal]:
    """Columns further from the median of the same weekdays than such days are from each other."""
    window = {earlier: past[earlier] for earlier in window_before(day, past, policy)}
    names = [
        name
        for name in today
        if not today[name].empty and all(name in profile for profile in window.values())
    ]
    same = same_weekdays(day, window, policy)
    if not names or len(same) < policy.least:
        return
    matrices = {
        earlier: matrix([profile[name] for name in names]) for earlier, profile in window.items()
    }
    spread = np.median([spreads(quantiles) for quantiles in matrices.values()], axis=0)
    center = np.median([matrices[earlier] for earlier in same], axis=0)
    today_values = matrix([today[name] for name in names])
    moved = distances(today_values, center, spread)
    todays_quantiles = _own_distances(
        {earlier: values for earlier, values in matrices.items() if earlier not in odd},
        spread,
        policy,
    )
    limits = np.full(len(names), UNPROVEN * floor)
    if len(todays_quantiles) >= PROVEN:
        center_of_own = np.median(todays_quantiles, axis=0)
        sigma = TO_SIGMA * np.median(np.abs(todays_quantiles - center_of_own), axis=0)
        limits = np.maximum(floor, center_of_own + policy.sigmas * sigma)
    if area == "features":
        moved = np.minimum(moved, _from_the_nearest(day, matrices, today_values, spread))
    usual_off = np.median([shares_off(matrices[earlier]) for earlier in window], axis=0)
    constant = usual_off <= policy.constant_share
    moved = np.where(constant, np.abs(shares_off(today_values) - usual_off), moved)
    limits = np.where(constant, policy.constant_share, limits)
    for index, name in enumerate(names):
        null = today[name].null - float(np.median([window[earlier][name].null for earlier in same]))
        if null > policy.nulls:
            text = f"{name}: {today[name].null:.1%} of the values are missing"
            strength = null / policy.nulls
            nulls: Area = "feed" if area == "inputs" else area
            yield Signal(
                area=nulls, name=name, value=null, limit=policy.nulls, told=text, strength=strength
            )
        elif moved[index] > limits[index]:
            mean = float(np.median([window[earlier][name].mean for earlier in same]))
            value, limit = float(moved[index]), float(limits[index])
            text = (
                f"{name}: mean {mean:.3g} → {today[name].mean:.3g} ({value:.2f}, limit {limit:.2f})"
            )
            if constant[index]:
                text = (
                    f"{name}: constant as a rule, {value:.1%} of the rows more or less left it"
                    f" (limit {limit:.1%})"
                )
            yield Signal(
                area=area, name=name, value=value, limit=limit, told=text, strength=value / limit
            )


def _from_the_nearest(
    day: date, matrices: Mapping[date, Values], todays_quantiles: Values, spread: Values
) -> Values:
    """How far each feature is from the nearest of the last days: what a deploy breaks has left them
    all at once.

    What has crept away from its weekday over weeks (a window of a month fills slowly) has not.
    """
    recent = [values for earlier, values in matrices.items() if (day - earlier).days <= RECENT]
    if not recent:
        return np.full(len(todays_quantiles), np.inf)
    nearest: Values = np.min(
        [distances(todays_quantiles, other, spread) for other in recent], axis=0
    )
    return nearest


def _own_distances(matrices: Mapping[date, Values], spread: Values, policy: WatchPolicy) -> Values:
    """Of each known day and column: how far it is from the median of the other days of its
    weekday.
    """
    rows = []
    for earlier, todays_quantiles in matrices.items():
        others = [matrices[other] for other in other_days_of_weekday(earlier, matrices)]
        if len(others) >= policy.least:
            rows.append(distances(todays_quantiles, np.median(others, axis=0), spread))
    return np.array(rows)
