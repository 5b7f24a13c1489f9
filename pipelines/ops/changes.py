"""Changes: how many releases went to production, how long that took, and how many had to be taken
back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pipelines.ledger.ledger import Move
from pipelines.ops.facts import SCORED_DAYS, Facts
from pipelines.ops.measure import Measure, median_of, plural, share_of

GROUP = "Releases"
CHANGE_FAILURE = 0.15
LEAD_DAYS = 14.0


def change_measures(facts: Facts) -> list[Measure]:
    """Releases, lead time from training to champion, change-failure rate; of the newest days by the
    clock.
    """
    since = facts.at - timedelta(days=SCORED_DAYS)
    promoted = [move for move in facts.moves if move.kind == "promote" and move.at >= since]
    return [
        Measure(
            group=GROUP,
            name=f"New champions in {SCORED_DAYS} days",
            unit="releases",
            value=float(len(promoted)),
            basis=(
                f"of {plural(sum(r.created_at >= since for r in facts.releases), 'training')} that"
                " made a release"
            ),
        ),
        _lead(facts, promoted),
        _failures(facts, promoted, since),
    ]


def _lead(facts: Facts, promoted: list[Move]) -> Measure:
    made = {release.release_id: release.created_at for release in facts.releases}
    days = [
        (move.at - made[move.champion]).total_seconds() / 86400
        for move in promoted
        if move.champion in made
    ]
    return Measure(
        group=GROUP,
        name="From training to champion",
        unit="days",
        value=median_of(days),
        target=LEAD_DAYS,
        at_least=False,
        basis=(
            f"median of {plural(len(days), 'promotion')}"
            if days
            else "no release became champion on these days"
        ),
    )


def _failures(facts: Facts, promoted: list[Move], since: datetime) -> Measure:
    """Champions that were rolled back from, of all that were promoted; a challenger withdrawn has
    not failed in use.
    """
    undone = {
        str(move.detail.before)
        for move in facts.moves
        if move.kind == "rollback" and move.at >= since
    }
    withdrawn = sum(move.kind == "withdraw" and move.at >= since for move in facts.moves)
    failed = sum(move.champion in undone for move in promoted)
    basis = (
        f"{failed} of {plural(len(promoted), 'promotion')} rolled back; {withdrawn} withdrawn"
        " before they decided"
    )
    return Measure(
        group=GROUP,
        name="Change-failure rate",
        unit="share",
        value=share_of(failed, len(promoted)),
        target=CHANGE_FAILURE,
        at_least=False,
        basis=basis if promoted else "no release became champion on these days",
    )
