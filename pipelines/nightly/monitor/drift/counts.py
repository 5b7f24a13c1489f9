"""Counts of a day against the same weekdays before: rows, labels, keys, rows above the threshold,
hours, key blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import partial

import numpy as np

from pipelines.nightly.monitor.profile import DayProfile
from pipelines.nightly.monitor.signals import Past, Signal
from pipelines.nightly.weekday_baseline import usual
from pipelines.usecases.policies.watch import WatchPolicy

MOST_MISSING = 0.9
"""However much a count varies: nine in ten missing is out of the ordinary."""


def volume(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    """Too few rows are a feed's fault; too many are the inputs'."""
    count = _count(
        day,
        today.rows,
        {earlier: profile.rows for earlier, profile in past.items()},
        policy,
        1 - policy.missing,
        odd=past.odd,
        sigmas=policy.volume_sigmas,
    )
    if count is None:
        return
    ratio, limit, strength = count
    usual_rows = today.rows / ratio if ratio else 0
    text = f"{today.rows:,} rows where {usual_rows:,.0f} are usual on a {day:%A} ({ratio:.0%})"
    if ratio < policy.missing and strength > 1:
        yield Signal(
            area="feed",
            name="volume",
            value=ratio,
            limit=policy.missing,
            told=text,
            strength=strength,
        )
    elif ratio > 1 + max(limit, policy.volume):
        yield Signal(
            area="inputs", name="volume", value=ratio, limit=1 + limit, told=text, strength=strength
        )


def labels(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    """Label rows that came in: few are a feed's fault, many a sign of more positives."""
    series = {
        earlier: profile.reports for earlier, profile in past.items() if profile.reports is not None
    }
    if today.reports is None:
        return
    count = _count(day, today.reports, series, policy, policy.reports, odd=past.odd)
    if count is None:
        return
    ratio, limit, strength = count
    text = f"{today.reports:,} labels came in, {ratio:.0%} of the usual {day:%A}"
    if ratio < 1 - limit:
        yield Signal(
            area="feed", name="labels", value=ratio, limit=1 - limit, told=text, strength=strength
        )
    elif ratio > 1 + limit:
        yield Signal(
            area="labels", name="labels", value=ratio, limit=1 + limit, told=text, strength=strength
        )


def units(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    """Different keys of each entity."""
    for name, units in today.units.items():
        series = {
            earlier: profile.units[name]
            for earlier, profile in past.items()
            if name in profile.units
        }
        count = _count(day, units, series, policy, policy.volume, odd=past.odd)
        if count is not None and abs(count[0] - 1) > count[1]:
            text = f"{units:,} different {name}s, {count[0]:.0%} of the usual {day:%A}"
            yield Signal(
                area="inputs",
                name=f"{name}s",
                value=count[0],
                limit=count[1],
                told=text,
                strength=count[2],
            )


def tail(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    """Rows at or above the threshold: what the review list is drawn from."""
    if today.tail is None:
        return
    same_release = {
        earlier: profile
        for earlier, profile in past.items()
        if profile.release == today.release and profile.tail is not None
    }
    series = {
        earlier: (profile.tail or 0.0) * today.rows for earlier, profile in same_release.items()
    }
    reached = today.tail * today.rows
    count = _count(day, reached, series, policy, policy.tail, odd=past.odd, rows=reached)
    if count is not None and abs(count[0] - 1) > count[1]:
        text = (
            f"{today.tail:.2%} of the rows reach the threshold, {count[0]:.1f} times the usual"
            f" {day:%A}"
        )
        yield Signal(
            area="scores", name="tail", value=count[0], limit=count[1], told=text, strength=count[2]
        )


def rejected(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Iterator[Signal]:
    """The share of incoming rows that broke a rule."""
    if today.rejected is None:
        return
    series = {
        earlier: profile.rejected
        for earlier, profile in past.items()
        if profile.rejected is not None
    }
    baseline = usual(day, series, policy, odd=past.odd)
    if baseline is None:
        return
    limit = baseline.center + max(policy.nulls, policy.sigmas * baseline.sigma)
    if today.rejected > limit and today.rejected * today.rows >= policy.count:
        text = (
            f"{today.rejected:.1%} of the incoming rows were quarantined, {baseline.center:.1%} are"
            " usual"
        )
        yield Signal(
            area="feed",
            name="rejected",
            value=today.rejected,
            limit=limit,
            told=text,
            strength=today.rejected / limit,
        )


def _count(
    day: date,
    value: float,
    series: Mapping[date, float],
    policy: WatchPolicy,
    floor: float,
    *,
    odd: Collection[date],
    rows: float | None = None,
    sigmas: float | None = None,
) -> tuple[float, float, float] | None:
    """Ratio to the usual, the allowed departure from 1, and the departure over it; None without
    history.

    The departure allows for chance in so many `rows` (by default the usual count), too. Where both
    the count and the usual one are small (`policy.count`) it is not judged: chance alone may take
    them all.
    """
    baseline = usual(day, series, policy, odd=odd)
    if baseline is None or baseline.center <= 0 or max(value, baseline.center) < policy.count:
        return None
    chance = 1 / np.sqrt(max(baseline.center if rows is None else rows, 1.0))
    limit = max(floor, (sigmas or policy.sigmas) * max(baseline.sigma / baseline.center, chance))
    ratio = value / baseline.center
    limit = min(limit, MOST_MISSING) if ratio < 1 else limit
    return ratio, float(limit), float(abs(ratio - 1) / limit)


def cells(today: DayProfile, before: Sequence[DayProfile], policy: WatchPolicy) -> Iterator[Signal]:
    """Hours and blocks of keys that are nearly empty, or far too full, for a day with so many
    rows.
    """
    hours = [profile.hours for profile in before]
    yield from _cells_of("hours", today.hours, hours, _hour_name, policy)
    for name, counts in today.blocks.items():
        edges = today.edges[name]
        same = [
            profile.blocks[name]
            for profile in before
            if name in profile.blocks and profile.edges.get(name) == edges
        ]
        if len(same) >= policy.least:
            yield from _cells_of(
                f"{name}s", counts, same, partial(_block_name, name, edges), policy
            )


def _hour_name(cell: int) -> str:
    return f"{cell:02d}:00 to {cell + 1:02d}:00 UTC"


def _cells_of(
    group: str,
    todays_cells: Sequence[int],
    same: Sequence[Sequence[int]],
    named: Callable[[int], str],
    policy: WatchPolicy,
) -> Iterator[Signal]:
    counts, before = np.asarray(todays_cells, float), np.asarray(same, float)
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
            text = f"{named(int(cell))}: {counts[cell]:,.0f} rows where {full[cell]:,.0f} are usual"
            yield Signal(
                area=area,  # type: ignore[arg-type]
                name=f"{group} {cell}",
                value=float(counts[cell] / full[cell]),
                limit=policy.hole if area == "feed" else policy.crowd,
                told=text,
                strength=float(chance[cell] / policy.sigmas),
            )


def _block_name(name: str, edges: Sequence[int], cell: int) -> str:
    first = "from the first" if cell == 0 else f"from {edges[cell - 1]}"
    last = "to the last" if cell == len(edges) else f"to {edges[cell] - 1}"
    return f"{name}s {first} {last}"
