"""The tables of the gate's benchmark: errors of both gates with intervals, and verdicts by kind of
pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from benchmarks.gate import Outcome

Z = 1.96


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    if not of:
        return 0.0, 1.0
    share, z2 = hits / of, Z * Z
    centre, spread = share + z2 / (2 * of), Z * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, (centre - spread) / (1 + z2 / of)), min(1.0, (centre + spread) / (1 + z2 / of))


def tables(outcomes: Sequence[Outcome]) -> str:
    """Both tables in Markdown, an empty line between them."""
    return f"{_errors(outcomes)}\n\n{_kinds(outcomes)}"


def _errors(outcomes: Sequence[Outcome]) -> str:
    verdicts = {
        "Tollgate": [outcome.verdict for outcome in outcomes],
        "point values": [outcome.point_verdict for outcome in outcomes],
    }
    lines = [
        f"| {len(outcomes)} pairs, {len({outcome.seed for outcome in outcomes})} banks | Tollgate |"
        " gate of point values |"
    ]
    lines.append("|---|---|---|")
    for what, truth, decision in (
        ("truly worse, let through", "worse", "approved"),
        ("truly worse, put before a person", "worse", "needs a person"),
        ("truly better, refused", "better", "refused"),
        ("truly better, put before a person", "better", "needs a person"),
        ("equal, let through", "equal", "approved"),
        ("equal, refused", "equal", "refused"),
        ("equal, put before a person", "equal", "needs a person"),
    ):
        rows = [index for index, outcome in enumerate(outcomes) if outcome.truth == truth]
        cells = [
            _share([given[index] for index in rows].count(decision), len(rows))
            for given in verdicts.values()
        ]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    seconds = np.median([outcome.seconds for outcome in outcomes])
    lines.append(f"| CPU seconds of an evaluation, median | {seconds:.1f} | |")
    return "\n".join(lines)


def _share(hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"{hits} of {of} ({100 * low:.0f}–{100 * high:.0f} %)"


def _kinds(outcomes: Sequence[Outcome]) -> str:
    lines = [
        "| kind of pair | pairs | metric lost, median | truth: worse / equal / better |",
        "|---|---|---|---|",
    ]
    lines[0] += " approved / person / refused | by point values approved | what failed |"
    lines[1] += "---|---|---|"
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        of = [outcome for outcome in outcomes if outcome.kind == kind]
        truth = [
            [outcome.truth for outcome in of].count(name) for name in ("worse", "equal", "better")
        ]
        decided = [
            [outcome.verdict for outcome in of].count(name)
            for name in ("approved", "needs a person", "refused")
        ]
        points = [outcome.point_verdict for outcome in of].count("approved")
        failed = list(chain.from_iterable(outcome.failed for outcome in of))
        named = ", ".join(f"{name} {failed.count(name)}" for name in dict.fromkeys(failed))
        lines.append(
            f"| {kind} | {len(of)} | {np.median([outcome.loss for outcome in of]):+.3f}"
            f" | {_slashed(truth)} | {_slashed(decided)} | {points} | {named} |"
        )
    return "\n".join(lines)


def _slashed(numbers: Sequence[int]) -> str:
    return " / ".join(map(str, numbers))
