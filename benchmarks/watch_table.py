"""The tables of the watch's benchmark: false alarms, incidents noticed, causes named; and every
kind of incident.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from benchmarks.gate_table import wilson

if TYPE_CHECKING:
    from benchmarks.watch import Quiet, Seen

DAYS_A_MONTH = 30


def tables(quiet: Sequence[Quiet], seen: Sequence[Seen]) -> str:
    """Both tables in Markdown, an empty line between them."""
    return f"{_figures(quiet, seen)}\n\n{_kinds(seen)}"


def _figures(quiet: Sequence[Quiet], seen: Sequence[Seen]) -> str:
    months = len(quiet) / DAYS_A_MONTH
    costly = [one for one in seen if one.costly]
    lines = [
        (
            f"| {months:.0f} usual months, {len(seen)} months with an incident ({len(costly)} cost"
            " money) | Tollgate | Evidently's default preset | any column of it |"
        ),
        "|---|---|---|---|",
    ]
    pages = sum(one.severity == "page" for one in quiet) / months
    loud = sum(one.severity in ("ticket", "page") for one in quiet) / months
    shown = [one.evidently for one in quiet if one.evidently is not None]
    whole, some = (
        DAYS_A_MONTH * sum(getattr(one, part) for one in shown) / max(1, len(shown))
        for part in ("dataset", "column")
    )
    lines.append(f"| false pages a month | {pages:.2f} | {whole:.2f} | {some:.2f} |")
    lines.append(f"| false pages and tickets a month | {loud:.2f} | {whole:.2f} | {some:.2f} |")
    for what, of in (("incidents that cost money", costly), ("all incidents", seen)):
        mine = _share(of, lambda one: one.noticed is not None and one.noticed <= one.first_possible)
        theirs = _share(of, lambda one: one.evidently is not None and one.evidently.dataset)
        column = _share(of, lambda one: one.evidently is not None and one.evidently.column)
        lines.append(
            f"| {what}, noticed on the first run that could show it | {mine} | {theirs} |"
            f" {column} |"
        )
        mine = _share(of, lambda one: one.noticed is not None)
        lines.append(f"| {what}, noticed within 12 days | {mine} | – | – |")
    named = _share([one for one in seen if one.noticed is not None], lambda one: one.right)
    lines.append(f"| right cause, of those noticed | {named} | names none | names none |")
    return "\n".join(lines)


def _share(of: Sequence[Seen], holds: Callable[[Seen], bool]) -> str:
    hits = sum(map(holds, of))
    low, high = wilson(hits, len(of))
    return f"{hits} of {len(of)} ({hits / max(1, len(of)):.0%}, {low:.0%} to {high:.0%})"


def _kinds(seen: Sequence[Seen]) -> str:
    lines = [
        "| incident | size | caught, missed money | first run | right cause | told as |",
        "|---|---|---|---|---|---|",
    ]
    for kind, size in dict.fromkeys(sorted((one.kind, one.size) for one in seen)):
        mine = [one for one in seen if (one.kind, one.size) == (kind, size)]
        first = sum(one.noticed is not None and one.noticed <= one.first_possible for one in mine)
        right = sum(one.right for one in mine)
        caught, missed = (
            sum(getattr(one, name) for one in mine) / len(mine) for name in ("caught", "missed")
        )
        told = ", ".join(
            f"{cause} {sum(one.cause == cause for one in mine)}"
            for cause in sorted({o.cause for o in mine})
        )
        counts = f"{first} of {len(mine)} | {right} of {len(mine)}"
        lines.append(f"| {kind} | {size} | {caught:.0%}, {missed:.0%} | {counts} | {told} |")
    return "\n".join(lines)
