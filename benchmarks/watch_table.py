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
    costly = [trouble for trouble in seen if trouble.costly]
    lines = [
        (
            f"| {months:.0f} usual months, {len(seen)} months with an incident ({len(costly)} cost"
            " money) | Tollgate | Evidently's default preset | any column of it |"
        ),
        "|---|---|---|---|",
    ]
    pages = sum(day.severity == "page" for day in quiet) / months
    loud = sum(day.severity in ("ticket", "page") for day in quiet) / months
    shown = [day.evidently for day in quiet if day.evidently is not None]
    whole, some = (
        DAYS_A_MONTH * sum(getattr(trouble, part) for trouble in shown) / max(1, len(shown))
        for part in ("dataset", "column")
    )
    lines.append(f"| false pages a month | {pages:.2f} | {whole:.2f} | {some:.2f} |")
    lines.append(f"| false pages and tickets a month | {loud:.2f} | {whole:.2f} | {some:.2f} |")
    for what, of in (("incidents that cost money", costly), ("all incidents", seen)):
        noticed = _share(
            of,
            lambda trouble: (
                trouble.noticed is not None and trouble.noticed <= trouble.first_possible
            ),
        )
        evidently = _share(
            of, lambda trouble: trouble.evidently is not None and trouble.evidently.dataset
        )
        column = _share(
            of, lambda trouble: trouble.evidently is not None and trouble.evidently.column
        )
        lines.append(
            f"| {what}, noticed on the first run that could show it | {noticed} | {evidently} |"
            f" {column} |"
        )
        noticed = _share(of, lambda trouble: trouble.noticed is not None)
        lines.append(f"| {what}, noticed within 12 days | {noticed} | – | – |")
    named = _share(
        [trouble for trouble in seen if trouble.noticed is not None], lambda trouble: trouble.right
    )
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
    for kind, size in dict.fromkeys(sorted((trouble.kind, trouble.size) for trouble in seen)):
        of_kind = [trouble for trouble in seen if (trouble.kind, trouble.size) == (kind, size)]
        first = sum(
            trouble.noticed is not None and trouble.noticed <= trouble.first_possible
            for trouble in of_kind
        )
        right = sum(trouble.right for trouble in of_kind)
        caught, missed = (
            sum(getattr(trouble, name) for trouble in of_kind) / len(of_kind)
            for name in ("caught", "missed")
        )
        causes = ", ".join(
            f"{cause} {sum(trouble.cause == cause for trouble in of_kind)}"
            for cause in sorted({o.cause for o in of_kind})
        )
        counts = f"{first} of {len(of_kind)} | {right} of {len(of_kind)}"
        lines.append(f"| {kind} | {size} | {caught:.0%}, {missed:.0%} | {counts} | {causes} |")
    return "\n".join(lines)
