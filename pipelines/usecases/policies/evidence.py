"""What a candidate must show before it is released, and the slices that it must serve as well as the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Band:
    """Rows whose stored feature `column` is at least `low` and below `high` (either may be left open)."""

    column: str
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class KeyGroup:
    """Rows whose entity key is in group `number` (from 0 on) of `of`.

    `by="range"`: the keys in ascending order, cut into groups of equally many keys; `by="remainder"`: key modulo `of`.
    """

    key: str
    of: int
    number: int
    by: Literal["range", "remainder"] = "range"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of the events that a model must serve as well as the rest: the rows that are in every one of `where`."""

    name: str
    where: tuple[Band | KeyGroup, ...]


Consequence = Literal["refuse", "ask"]
"""What follows from a failed check: the candidate is refused, or a person is asked."""


@dataclass(frozen=True, kw_only=True)
class EvidencePolicy:
    """What a candidate's evidence must show, beyond `ModelPolicy.champion_margin`; `docs/decisions/0180` to `0184`.

    Intervals: `replicates` of the bootstrap, two-sided `level` (slices share theirs), `seed`. `inconclusive` is what
    follows where the interval of candidate - champion neither excludes a loss beyond the margin nor proves one.

    Slices: `slice_margin` is the loss of the primary metric that, once proven, blocks; one with fewer positives on the
    test days than `slice_positives` is not judged.

    Label health: a week's rate of positives of a slice is implausible where it is off its history's by more than
    `label_move` (0.5: half as many again, or a third fewer) and chance gives such a week in any slice with a
    probability of at most `label_chance`; `label_expected` positives must be expected at least.

    Golden set: `golden_margin` is the loss of the primary metric that blocks. Money: `review_cost` is what the review
    of a unit costs, `loss_share` the share of a missed positive's amount that is lost, `cost_margin` the proven rise of
    cost per day, as a share of the champion's, that blocks. `brier_margin`: the same for the Brier score.

    Leaks: `single_share` of the model's primary metric, or an area under the ROC curve of `single_auc`, is what no
    feature may reach alone; `parity_days`: how old the newest parity may be. Loading: at least `rows_per_second`, and
    at most `p99_seconds` for a batch of a thousand rows.

    Late reports: `late_share` of the reports may come later than `label.delay_days` after their event; beyond it,
    `late_consequence` follows (`warn`: said, and let pass). Fewer than `late_reports` of them are not judged.
    """

    replicates: int = 1000
    level: float = 0.95
    seed: int = 20260102
    inconclusive: Consequence = "ask"
    slices: tuple[Slice, ...] = ()
    slice_margin: float = 0.05
    slice_positives: int = 20
    label_move: float = 0.5
    label_chance: float = 0.005
    label_expected: float = 10.0
    golden_margin: float = 0.05
    review_cost: float = 5.0
    loss_share: float = 1.0
    cost_margin: float = 0.1
    brier_margin: float = 0.1
    single_share: float = 0.9
    single_auc: float = 0.98
    parity_days: int = 14
    rows_per_second: float = 2000.0
    p99_seconds: float = 1.0
    late_share: float = 0.1
    late_reports: int = 50
    late_consequence: Literal["warn"] | Consequence = "ask"
