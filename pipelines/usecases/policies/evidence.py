"""What a candidate must show before it is released, and the slices that it must serve as well as
the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.usecases.policies.value_types import (
    AtLeastADay,
    Bounds,
    Count,
    Metric,
    Money,
    NoneOrMore,
    Positives,
    RowsPerSecond,
    Seconds,
    Seed,
    Share,
    ShareAboveNone,
)


@dataclass(frozen=True, kw_only=True)
class Band:
    """Rows whose stored feature `column` is at least `low` and below `high` (either may be left
    open).
    """

    column: str
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class KeyGroup:
    """Rows whose entity key is in group `number` (from 0 on) of `of`.

    `by="range"`: the keys in ascending order, cut into groups of equally many keys;
    `by="remainder"`: key modulo `of`.
    """

    key: str
    of: Count
    number: NoneOrMore
    by: Literal["range", "remainder"] = "range"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of the events that a model must serve as well as the rest: the rows that are in every
    one of `where`.
    """

    name: str
    where: tuple[Band | KeyGroup, ...]


Consequence = Literal["refuse", "ask"]
"""What follows from a failed check: the candidate is refused, or a person is asked."""


@dataclass(frozen=True, kw_only=True)
class EvidencePolicy:
    """What a candidate's evidence must show, beyond `ModelPolicy.champion_margin`;
    `docs/decisions/0180` to `0184`.
    """

    replicates: Count = 1000
    """How many replicates the bootstrap draws for an interval."""
    level: Annotated[float, Bounds("probability", 0.5, 0.9999)] = 0.95
    """The two-sided level of the intervals; slices share theirs."""
    seed: Seed = 20260102
    """The seed of the bootstrap."""
    inconclusive: Consequence = "ask"
    """What follows where an interval neither excludes a loss beyond the margin nor proves one."""
    slices: tuple[Slice, ...] = ()
    """The parts of the events that a model must serve as well as the rest."""
    slice_margin: Metric = 0.05
    """The loss of the primary metric on a slice that, once proven, blocks."""
    slice_positives: Count = 20
    """A slice with fewer positives on the test days is not judged."""
    label_move: Annotated[float, Bounds("share", 0, above=True)] = 0.5
    """How far a week's rate of positives may be off its history's: 0.5 is half as many again, or a
    third fewer.
    """
    label_chance: Annotated[float, Bounds("probability", 0, 1, above=True)] = 0.005
    """Such a week is implausible where chance gives one in any slice with at most this
    probability.
    """
    label_expected: Positives = 10.0
    """A week of a slice is judged where at least so many positives are expected."""
    golden_margin: Metric = 0.05
    """The loss of the primary metric on the golden set that blocks."""
    review_cost: Money = 5.0
    """What the review of a unit costs."""
    loss_share: Share = 1.0
    """The share of a missed positive's amount that is lost."""
    cost_margin: Annotated[float, Bounds("share", 0)] = 0.1
    """The proven rise of cost per day, as a share of the champion's, that blocks."""
    brier_margin: Annotated[float, Bounds("share", 0)] = 0.1
    """The proven rise of the Brier score, as a share of the champion's, that blocks."""
    single_share: ShareAboveNone = 0.9
    """The share of the model's primary metric that no feature may reach alone."""
    single_auc: Annotated[float, Bounds("area", 0.5, 1)] = 0.98
    """The area under the ROC curve that no feature may reach alone."""
    parity_days: AtLeastADay = 14
    """How old the newest comparison of online and batch features may be."""
    rows_per_second: RowsPerSecond = 2000.0
    """How many rows a second the candidate must score at least."""
    p99_seconds: Seconds = 1.0
    """How long a batch of a thousand rows may take at the 99th percentile."""
    late_share: Share = 0.1
    """The share of the reports that may come later than `label.delay_days` after their event."""
    late_reports: Count = 50
    """Fewer reports than this are not judged."""
    late_consequence: Literal["warn"] | Consequence = "ask"
    """What follows where too many reports come late; `warn` says so and lets pass."""
