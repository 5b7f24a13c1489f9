"""The alert list in plain Python loops, from the words of the declaration: independent of the
stage.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple


class Scored(NamedTuple):
    event: int
    unit: int
    score: float


def known_on(day: date, reports: Iterable[tuple[int, datetime]], detected_days: int) -> set[int]:
    """Units with a positive reported before 00:00 UTC of the day, not longer ago than
    `detected_days` days.
    """
    detected = set()
    for unit, reported_at in reports:
        at = reported_at.replace(tzinfo=None)
        begins = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        if begins - timedelta(days=detected_days) <= at < begins:
            detected.add(unit)
    return detected


def alert_list(rows: Iterable[Scored], known_units: set[int], capacity: int) -> list[Scored]:
    """The riskiest event of each unit that is not known, by score; ties by unit, then by event."""
    best: dict[int, Scored] = {}
    for row in rows:
        held = best.get(row.unit)
        if (
            held is None
            or row.score > held.score
            or (row.score == held.score and row.event < held.event)
        ):
            best[row.unit] = row
    listed = sorted(
        (row for unit, row in best.items() if unit not in known_units),
        key=lambda row: (-row.score, row.unit),
    )
    return listed[:capacity]
