"""What of a day is out of the ordinary: its profile against the same weekdays before, as named signals.

Every figure needs enough rows and enough history; what cannot be judged is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Literal

import numpy as np

from pipelines.usecases.watching import WatchPolicy
from pipelines.watch.profile import DayProfile
from pipelines.watch.sketch import Sketch, Values, distances, matrix, spreads
from pipelines.watch.usual import TO_SIGMA, same_weekdays, usual

Area = Literal["feed", "inputs", "labels", "features", "scores", "performance"]
Past = Mapping[date, DayProfile]
MOST_MISSING = 0.9
"""However much a count varies: nine in ten missing is out of the ordinary."""
UNPROVEN = 2.0
"""How much wider a floor is while too few days are known to say how far they are from each other."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One figure beyond its limit: where (`area`), what (`name`), how far, and a sentence for a person.

    `strength` is the figure over its limit (1 and more), to put the strongest first.
    """

    area: Area
    name: str
    value: float
    limit: float
    told: str
    strength: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All signals of a day, strongest first in each area, and what could not be judged, with the reason."""

    signals: Sequence[Signal] = ()
    unjudged: Sequence[str] = ()

    def of(self, *areas: Area) -> list[Signal]:
        """The signals of some areas."""
        return [one for one in self.signals if one.area in areas]


def read(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Reading:
    """The signals of `day`; `past` are the profiles of the days before that can be trusted."""
    weekday = f"{day:%A}"
    if not today.rows:
        told = "not a single row"
        missing = Signal(area="feed", name="volume", value=0.0, limit=policy.missing, told=told, strength=100.0)
        return Reading(signals=[missing])
    unjudged = []
    if today.rows < policy.minimum:
        unjudged.append(f"{today.rows} rows, fewer than the {policy.minimum} that a judgement of columns needs")
    before = [past[then] for then in same_weekdays(day, past, policy.weeks)]
    if len(before) < policy.least:
        unjudged.append(f"{len(before)} {weekday}s known before, {policy.least} are needed to say what is usual")
        return Reading(signals=list(_constants(today)), unjudged=unjudged)
    found = [
        *_volume(day, today, past, policy),
        *_labels(day, today, past, policy),
        *_rejected(day, today, past, policy),
    ]
    if today.rows >= policy.minimum:
        found += _cells(today, before, policy)
        found += [*_units(day, today, past, policy), *_columns(day, today, past, policy)]
        found += [*_tail(day, today, past, policy), *_constants(today, before), *_torn(today, before, policy)]
    return Reading(signals=sorted(found, key=lambda one: -one.strength), unjudged=unjudged)


def _volume(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    count = _count(
        day,
        today.rows,
        {then: one.rows for then, one in past.items()},
        policy,
        1 - policy.missing,
        sigmas=policy.volume_sigmas,
    )
    if count is None:
        return
    ratio, limit, strength = count
    usual_rows = today.rows / ratio if ratio else 0
    told = f"{today.rows:,} rows where {usual_rows:,.0f} are usual on a {day:%A} ({ratio:.0%})"
    if ratio < policy.missing and strength > 1:
        yield Signal(area="feed", name="volume", value=ratio, limit=policy.missing, told=told, strength=strength)
    elif ratio > 1 + max(limit, policy.volume):
        yield Signal(area="inputs", name="volume", value=ratio, limit=1 + limit, told=told, strength=strength)


def _labels(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    series = {then: one.reports for then, one in past.items() if one.reports is not None}
    if today.reports is None:
        return
    count = _count(day, today.reports, series, policy, policy.reports)
    if count is None:
        return
    ratio, limit, strength = count
    told = f"{today.reports:,} labels came in, {ratio:.0%} of the usual {day:%A}"
    if ratio < 1 - limit:
        yield Signal(area="feed", name="labels", value=ratio, limit=1 - limit, told=told, strength=strength)
    elif ratio > 1 + limit:
        yield Signal(area="labels", name="labels", value=ratio, limit=1 + limit, told=told, strength=strength)


def _units(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    for name, units in today.units.items():
        series = {then: one.units[name] for then, one in past.items() if name in one.units}
        count = _count(day, units, series, policy, policy.volume)
        if count is not None and abs(count[0] - 1) > count[1]:
            told = f"{units:,} different {name}s, {count[0]:.0%} of the usual {day:%A}"
            yield Signal(area="inputs", name=f"{name}s", value=count[0], limit=count[1], told=told, strength=count[2])


def _tail(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    """Rows at or above the threshold: what the review list is drawn from."""
    if today.tail is None:
        return
    mine = {then: one for then, one in past.items() if one.release == today.release and one.tail is not None}
    series = {then: (one.tail or 0.0) * 1e5 for then, one in mine.items()}
    count = _count(day, today.tail * 1e5, series, policy, policy.tail, rows=today.rows * today.tail)
    if count is not None and abs(count[0] - 1) > count[1]:
        told = f"{today.tail:.2%} of the rows reach the threshold, {count[0]:.1f} times the usual {day:%A}"
        yield Signal(area="scores", name="tail", value=count[0], limit=count[1], told=told, strength=count[2])


def _rejected(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    if today.rejected is None:
        return
    series = {then: one.rejected for then, one in past.items() if one.rejected is not None}
    found = usual(day, series, weeks=policy.weeks, least=policy.least)
    if found is None:
        return
    limit = found.center + max(policy.nulls, policy.sigmas * found.sigma)
    if today.rejected > limit:
        told = f"{today.rejected:.1%} of the incoming rows were quarantined, {found.center:.1%} are usual"
        yield Signal(
            area="feed", name="rejected", value=today.rejected, limit=limit, told=told, strength=today.rejected / limit
        )


def _count(
    day: date,
    value: float,
    series: Mapping[date, float],
    policy: WatchPolicy,
    floor: float,
    *,
    rows: float | None = None,
    sigmas: float | None = None,
) -> tuple[float, float, float] | None:
    """Ratio to the usual, the allowed departure from 1, and the departure over it; None without history.

    The departure allows for chance in so many `rows` (by default the usual count), too.
    """
    found = usual(day, series, weeks=policy.weeks, least=policy.least)
    if found is None or found.center <= 0:
        return None
    chance = 1 / np.sqrt(max(found.center if rows is None else rows, 1.0))
    limit = max(floor, (sigmas or policy.sigmas) * max(found.sigma / found.center, chance))
    ratio = value / found.center
    limit = min(limit, MOST_MISSING) if ratio < 1 else limit
    return ratio, float(limit), float(abs(ratio - 1) / limit)


def _cells(today: DayProfile, before: Sequence[DayProfile], policy: WatchPolicy) -> Iterator[Signal]:
    """Hours and blocks of keys that are nearly empty, or far too full, for a day with so many rows."""
    hours = [one.hours for one in before]
    yield from _cells_of("hours", today.hours, hours, _hour_name, policy)
    for name, counts in today.blocks.items():
        edges = today.edges[name]
        same = [one.blocks[name] for one in before if name in one.blocks and one.edges.get(name) == edges]
        if len(same) >= policy.least:
            yield from _cells_of(f"{name}s", counts, same, partial(_block_name, name, edges), policy)


def _hour_name(cell: int) -> str:
    return f"{cell:02d}:00 to {cell + 1:02d}:00 UTC"


def _cells_of(
    group: str,
    found: Sequence[int],
    same: Sequence[Sequence[int]],
    named: Callable[[int], str],
    policy: WatchPolicy,
) -> Iterator[Signal]:
    counts, before = np.asarray(found, float), np.asarray(same, float)
    totals = np.maximum(before.sum(axis=1, keepdims=True), 1.0)
    shares = np.median(before / totals, axis=0)
    full = np.median(totals) * shares
    scaled = counts.sum() * shares
    for area, cells in (
        ("feed", (full >= policy.cell) & (counts < policy.hole * np.minimum(full, scaled))),
        ("inputs", (scaled >= policy.cell) & (counts > policy.crowd * np.maximum(full, scaled))),
    ):
        chance = np.abs(counts - full) / np.sqrt(np.maximum(full, 1.0) + (0.05 * full) ** 2)
        for cell in np.flatnonzero(cells & (chance > policy.sigmas))[:3]:
            told = f"{named(int(cell))}: {counts[cell]:,.0f} rows where {full[cell]:,.0f} are usual"
            yield Signal(
                area=area,  # type: ignore[arg-type]
                name=f"{group} {cell}",
                value=float(counts[cell] / full[cell]),
                limit=policy.hole if area == "feed" else policy.crowd,
                told=told,
                strength=float(chance[cell] / policy.sigmas),
            )


def _block_name(name: str, edges: Sequence[int], cell: int) -> str:
    first = "from the first" if cell == 0 else f"from {edges[cell - 1]}"
    last = "to the last" if cell == len(edges) else f"to {edges[cell] - 1}"
    return f"{name}s {first} {last}"


def _constants(today: DayProfile, before: Sequence[DayProfile] = ()) -> Iterator[Signal]:
    """Columns without a single value, or with one value for all rows where days before had several."""
    for area, columns, name_of in (("feed", today.inputs, "inputs"), ("features", today.features, "features")):
        for name, one in columns.items():
            earlier = [getattr(day, name_of)[name] for day in before if name in getattr(day, name_of)]
            varied = bool(earlier) and not any(other.constant or other.empty for other in earlier)
            if one.empty or (one.constant and varied):
                told = f"{name} has no value at all" if one.empty else f"{name} is {one.quantiles[0]:g} in every row"
                yield Signal(area=area, name=name, value=1.0, limit=0.0, told=told, strength=50.0)  # type: ignore[arg-type]


def _torn(today: DayProfile, before: Sequence[DayProfile], policy: WatchPolicy) -> Iterator[Signal]:
    """Features that no longer agree within a key, though each column by itself may look as ever."""
    for name, found in today.coherence.items():
        earlier = [one.coherence[name] for one in before if name in one.coherence]
        usual = min(earlier) if len(earlier) >= policy.least else 0.0
        if usual >= policy.coherent and found < usual * policy.torn:
            told = f"{name} disagrees within a key: correlation {usual:.2f} → {found:.2f}, as if joined to wrong rows"
            limit = usual * policy.torn
            yield Signal(area="features", name=name, value=found, limit=limit, told=told, strength=10.0)


def _columns(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    yield from _moved(day, "inputs", today.inputs, {d: p.inputs for d, p in past.items()}, policy, policy.distance)
    yield from _moved(
        day, "features", today.features, {d: p.features for d, p in past.items()}, policy, policy.distance
    )
    if today.score is not None:
        scores = {d: {"score": p.score} for d, p in past.items() if p.score and p.release == today.release}
        yield from _moved(day, "scores", {"score": today.score}, scores, policy, policy.score_distance)


def _moved(
    day: date,
    area: Area,
    today: Mapping[str, Sketch],
    past: Mapping[date, Mapping[str, Sketch]],
    policy: WatchPolicy,
    floor: float,
) -> Iterator[Signal]:
    """Columns further from the median of the same weekdays than such days are from each other."""
    window = {then: past[then] for then in past if 0 < (day - then).days <= 7 * policy.weeks}
    names = [name for name in today if not today[name].empty and all(name in one for one in window.values())]
    same = [then for then in window if then.weekday() == day.weekday()]
    if not names or len(same) < policy.least:
        return
    known = {then: matrix([one[name] for name in names]) for then, one in window.items()}
    spread = np.median([spreads(quantiles) for quantiles in known.values()], axis=0)
    center = np.median([known[then] for then in same], axis=0)
    moved = distances(matrix([today[name] for name in names]), center, spread)
    own = _own_distances(known, spread, policy)
    limits = np.full(len(names), UNPROVEN * floor)
    if len(own):
        center_of_own = np.median(own, axis=0)
        sigma = TO_SIGMA * np.median(np.abs(own - center_of_own), axis=0)
        limits = np.maximum(floor, center_of_own + policy.sigmas * sigma)
    for index, name in enumerate(names):
        null = today[name].null - float(np.median([window[then][name].null for then in same]))
        if null > policy.nulls:
            told = f"{name}: {today[name].null:.1%} of the values are missing"
            strength = null / policy.nulls
            nulls: Area = "feed" if area == "inputs" else area
            yield Signal(area=nulls, name=name, value=null, limit=policy.nulls, told=told, strength=strength)
        elif moved[index] > limits[index]:
            mean = float(np.median([window[then][name].mean for then in same]))
            told = f"{name}: mean {mean:.3g} → {today[name].mean:.3g} ({moved[index]:.2f}, limit {limits[index]:.2f})"
            value, limit = float(moved[index]), float(limits[index])
            yield Signal(area=area, name=name, value=value, limit=limit, told=told, strength=value / limit)


def _own_distances(known: Mapping[date, Values], spread: Values, policy: WatchPolicy) -> Values:
    """Of each known day and column: how far it is from the median of the other days of its weekday."""
    rows = []
    for then, mine in known.items():
        others = [other for d, other in known.items() if d != then and d.weekday() == then.weekday()]
        if len(others) >= policy.least:
            rows.append(distances(mine, np.median(others, axis=0), spread))
    return np.array(rows)
