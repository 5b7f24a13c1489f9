"""What a matured day was worth in each declared slice, and the same over the days before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SliceWorth:
    """Of the events of a slice: `positives`, of which `caught` belong to units on the review list.

    `missed_money` is the amount of the positives that were not caught; `average_precision` is None where there are too
    few positives, and `note` says so, or why the slice cannot be judged at all.
    """

    name: str
    events: int = 0
    positives: int = 0
    caught: int = 0
    missed_money: float = 0.0
    average_precision: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; the name stands as `slice`."""
        found = dict(vars(self))
        return {"slice": found.pop("name"), **found}


def few(positives: int, least: int) -> str:
    """What is said of a slice with too few positives; nothing where there are enough."""
    return f"{positives} positives of at least {least}" if positives < least else ""


def with_past(
    found: Sequence[SliceWorth], before: Iterable[Sequence[Mapping[str, Any]]], *, least: int
) -> list[dict[str, Any]]:
    """The slices as plain data, each with `past_positives` and `past_caught` pooled over `before` and the day itself.

    `before` are the same rows of earlier matured days; `past_note` says that even together they are too few.
    """
    pooled = {one.name: [one.positives, one.caught] for one in found}
    for rows in before:
        for row in rows:
            if row["slice"] in pooled:
                pooled[row["slice"]][0] += int(row["positives"])
                pooled[row["slice"]][1] += int(row["caught"])
    told = []
    for one in found:
        positives, caught = pooled[one.name]
        past = {"past_positives": positives, "past_caught": caught, "past_note": few(positives, least)}
        told.append(one.to_json() | past)
    return told
