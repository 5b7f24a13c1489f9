"""Does any declared slice lose by the candidate?

One interval for each slice, good for all of them at once.

The intervals are simultaneous (`Family`): they correct for looking at many. A slice blocks where
its interval lies wholly below -margin: the drop is proven. Where a loss is proven (it lies below 0)
and one beyond the margin is not excluded, the policy's `inconclusive` follows. A slice with too few
positives to say anything is said to be so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.problems.slice_rows import SliceRows
from pipelines.releases.scorer import Scorer
from pipelines.releases.verdict import CANDIDATE, CHAMPION, RULE, Check, not_applicable
from pipelines.training.evidence.bootstrap import Family, Interval
from pipelines.training.evidence.contest import Contest

if TYPE_CHECKING:
    import pandas as pd

NAME = "slices"
HURT, DOUBTFUL = "beyond the margin for sure", "not surely within the margin"
"""What is said of a slice that blocks, and of one that a person has to look at."""


def slices_hold(contest: Contest, champion: Scorer, frame: pd.DataFrame) -> Check:
    """The check.

    Without a champion the slices are shown against the rule, and none of them can fail.

    `frame` is the whole training frame: ranges of keys are cut from it.
    """
    policy, margin = contest.policy, contest.policy.slice_margin
    question = (
        f"Does no slice lose more than {margin} of {contest.metric} against the champion, for sure?"
    )
    if not policy.slices:
        return not_applicable(NAME, question, "the use case declares no slices")

    rival = RULE if champion.fallback else CHAMPION
    family, table = _measure(contest, SliceRows.of(frame, contest.use_case), rival)
    intervals = family.intervals(policy.level) if family.points else {}
    rows = [
        row | _shown(intervals.get(row["slice"]), margin, judged=rival == CHAMPION) for row in table
    ]

    hurt = [row for row in rows if row["outcome"] in (HURT, DOUBTFUL)]
    proven = any(row["outcome"] == HURT for row in hurt)
    if rival == RULE:
        return Check(
            name=NAME,
            question=question,
            outcome="not applicable",
            found=champion.reason,
            table=rows,
            figures={"tested": 0.0, "declared": float(len(rows))},
        )
    if not intervals:
        reason = f"none of {len(rows)} slices has {policy.slice_positives} positives"
        return Check(
            name=NAME, question=question, outcome="not applicable", found=reason, table=rows
        )

    return Check(
        name=NAME,
        question=question,
        outcome="failed" if hurt else "passed",
        consequence="refuse" if proven else policy.inconclusive,
        found=_found(hurt, intervals, len(rows), margin),
        figures={
            "margin": margin,
            "tested": float(len(intervals)),
            "declared": float(len(rows)),
            "standard_errors": family.critical(policy.level),
        },
        table=rows,
        subjects=tuple(row["slice"] for row in hurt),
    )


def _measure(
    contest: Contest, selected: SliceRows, rival: str
) -> tuple[Family, list[dict[str, Any]]]:
    """The differences of the slices with enough positives, and a row for every slice."""
    points, drawn, table = {}, {}, []
    for piece in contest.policy.slices:
        missing = selected.missing(contest.rows, piece)
        if missing:
            table.append(_row(piece.name, 0, 0, f"not applicable: no column {', '.join(missing)}"))
            continue
        part = contest.part(selected.mask(contest.rows, piece))
        positives = int(part.label.sum())
        if positives < contest.policy.slice_positives:
            few = (
                f"not applicable: {positives} positives of at least"
                f" {contest.policy.slice_positives}"
            )
            table.append(_row(piece.name, len(part.label), positives, few))
            continue
        candidate_figure, rival_figure = part.point(CANDIDATE), part.point(rival)
        points[piece.name] = candidate_figure - rival_figure
        drawn[piece.name] = part.drawn(CANDIDATE) - part.drawn(rival)
        table.append(
            _row(piece.name, len(part.label), positives, "", candidate_figure, rival_figure)
        )
    return Family(points, drawn), table


def _row(
    name: str,
    events: int,
    positives: int,
    outcome: str,
    candidate: float | None = None,
    against: float | None = None,
) -> dict[str, Any]:
    return {
        "slice": name,
        "events": events,
        "positives": positives,
        CANDIDATE: candidate,
        "against": against,
        "outcome": outcome,
    }


def _shown(gain: Interval | None, margin: float, *, judged: bool) -> dict[str, Any]:
    """What the interval adds to a slice's row."""
    if gain is None:
        return {"difference": None, "low": None, "high": None}
    if not judged:
        outcome = "not applicable: no champion"
    elif gain.high < -margin:
        outcome = HURT
    else:
        outcome = DOUBTFUL if gain.high < 0 and gain.low < -margin else "passed"
    return {"difference": gain.point, "low": gain.low, "high": gain.high, "outcome": outcome}


def _found(
    hurt: list[dict[str, Any]], intervals: dict[str, Interval], declared: int, margin: float
) -> str:
    if hurt:
        named = "; ".join(
            f"{row['slice']}: {intervals[row['slice']].words}, {row['positives']} positives,"
            f" {row['outcome']}"
            for row in hurt
        )
        return f"a loss on {named}"
    worst = min(intervals, key=lambda name: intervals[name].point)
    return (
        f"no loss beyond {margin} is proven on {len(intervals)} of {declared} slices; "
        f"lowest: {worst} {intervals[worst].words}"
    )
