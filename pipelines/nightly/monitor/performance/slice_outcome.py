"""What a matured day was worth in each declared slice, and the same over the days before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.accounts.performance import SliceAccount


@dataclass(frozen=True, kw_only=True)
class SliceWorth:
    """Of the events of a slice: `positives`, of which `caught` belong to units on the review list.

    `missed_money` is the amount of the positives that were not caught; `average_precision` is None
    where there are too few positives, and `note` says so, or why the slice cannot be judged at all.
    """

    name: str
    events: int = 0
    positives: int = 0
    caught: int = 0
    missed_money: float = 0.0
    average_precision: float | None = None
    note: str = ""


def few(positives: int, least: int) -> str:
    """What is said of a slice with too few positives; nothing where there are enough."""
    return f"{positives} positives of at least {least}" if positives < least else ""


def with_past(
    slice_worths: Sequence[SliceWorth], before: Iterable[Sequence[SliceAccount]], *, least: int
) -> tuple[SliceAccount, ...]:
    """What the ledger keeps of the slices, each with its positives and those caught pooled over
    `before` and the day.

    `before` are the slices of earlier matured days; `past_note` says that even together they have
    too few positives.
    """
    positives = {worth.name: worth.positives for worth in slice_worths}
    caught = {worth.name: worth.caught for worth in slice_worths}
    for rows in before:
        for row in rows:
            if row.slice in positives:
                positives[row.slice] += row.positives
                caught[row.slice] += row.caught
    return tuple(
        SliceAccount(
            slice=worth.name,
            events=worth.events,
            positives=worth.positives,
            caught=worth.caught,
            missed_money=worth.missed_money,
            average_precision=worth.average_precision,
            note=worth.note,
            past_positives=positives[worth.name],
            past_caught=caught[worth.name],
            past_note=few(positives[worth.name], least),
        )
        for worth in slice_worths
    )
