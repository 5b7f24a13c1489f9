"""What a use case declares: feeds, features, suites, label, model, metrics, policy, schedule. Data only, no behaviour.

A second use case is one such declaration with its features and expectations; no stage knows a column by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import time, timedelta
from functools import cached_property
from typing import Literal

from expectations.definition import Suite
from features.definition import FeatureSet, union
from pipelines.usecases.watching import WatchPolicy

ParameterValue = float | int | str | Mapping[str, int]
"""A parameter of the model: a number, a word, or a value for each column."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a feed: its Spark SQL type and what it holds."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule that every accepted row meets: `condition` is Spark SQL that is true for a good row."""

    name: str
    condition: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A feed of the landing zone and the lake table that it becomes (of the same name).

    `key` identifies a row, `time` is the column whose UTC date is the row's `day`.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: str
    rules: tuple[Rule, ...] = ()

    @property
    def ddl(self) -> str:
        """The feed's schema as Spark DDL."""
        return ", ".join(f"{column.name} {column.type}" for column in self.columns)


@dataclass(frozen=True, kw_only=True)
class LabelPolicy:
    """How an event gets its label: 1 once a row of `feed` names it, 0 once `delay_days` have passed without one."""

    feed: str
    reported_at: str
    delay_days: int


@dataclass(frozen=True, kw_only=True)
class IngestPolicy:
    """`bad_row_budget`: largest share of quarantined rows of a day; `lateness_days`: how late a row may arrive."""

    bad_row_budget: float = 0.005
    lateness_days: int = 30


@dataclass(frozen=True, kw_only=True)
class ReviewPolicy:
    """What the alert list holds: the `capacity` units (values of `unit`) with the highest scores of a day.

    `detected_days`: units with a positive reported within so many days before are known already and left out.
    """

    unit: str
    capacity: int
    reasons: int = 3
    detected_days: int = 28


@dataclass(frozen=True, kw_only=True)
class RuleModel:
    """The declared rule: the baseline to beat and the fallback when no model can be loaded.

    Its score for an event is min(1, column / scale); the decision is score >= threshold.
    """

    column: str
    scale: float
    threshold: float
    description: str


@dataclass(frozen=True, kw_only=True)
class ModelPolicy:
    """How a candidate is trained and judged.

    Train days end `delay_days` of the label before the test days begin; `history_days` is how many days before the test
    window (delay excluded) the model may learn from. `search` holds the candidates of the prequential search (each laid
    over `fixed`), compared on the newest `search_folds` weeks before the test days. `champion_margin` is how much of
    the primary metric a candidate may lose against the champion and still replace it (fresh data is worth something).
    """

    feature_set: str
    history_days: int = 28
    test_days: int = 7
    seed: int = 20260101
    primary_metric: str = "average_precision"
    champion_margin: float = 0.02
    search: tuple[Mapping[str, ParameterValue], ...] = ()
    search_folds: int = 2
    fixed: Mapping[str, ParameterValue] = field(default_factory=lambda: {"num_boost_round": 100, "max_depth": 5})


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


@dataclass(frozen=True, kw_only=True)
class DriftPolicy:
    """When a day has drifted: pinned method and threshold per column, and how many columns must exceed it.

    `confirm_days`: consecutive days beyond policy before a retrain is asked for; `cooldown_days`: logical days after
    one in which no other is asked for; `sample`: rows compared; `minimum`: fewer rows than this are not judged.
    """

    method: str = "psi"
    threshold: float = 0.2
    score_threshold: float = 0.2
    share_of_columns: float = 0.2
    confirm_days: int = 1
    cooldown_days: int = 7
    sample: int = 5000
    minimum: int = 500


@dataclass(frozen=True, kw_only=True)
class RolloutPolicy:
    """How an approved release becomes champion, in logical (scored) days; the first of a home is champion at once.

    It is scored beside the champion for `shadow_days` without deciding, then decides for `canary_share` of the review
    units for `canary_days`; 0 leaves a state out. For `guard_days` after its promotion the champion before is put back
    by itself where a guardrail fails. Limits: `score_drift` is how much further (Wasserstein, in standard deviations)
    its scores may be from its own reference than the champion's from its own; `score_distance` the same between the two
    on the same rows; `positive_ratio` how many times more or fewer units may reach its threshold; `seconds_per_row` how
    long scoring may take; `precision_loss` how much review precision it may lose on matured days. Days with fewer than
    `minimum` rows do not count. In the `high` risk tier an approved release waits for a person all the same.
    """

    risk_tier: Literal["standard", "high"] = "standard"
    shadow_days: int = 0
    canary_days: int = 0
    canary_share: float = 0.1
    guard_days: int = 10
    score_drift: float = 0.5
    score_distance: float = 1.0
    positive_ratio: float = 3.0
    seconds_per_row: float = 0.001
    precision_loss: float = 0.1
    minimum: int = 200


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Cron expressions, UTC: the nightly run (for the day before), the weekly training, the looks at the deadlines, and
    the sampled parity (of the day before).

    `deadlines`: the time (HH:MM, UTC) of the next morning by which a stage must be done with a day, in the order of the
    chain. Where a stage of `paged` is late somebody is called; the lateness of another is a ticket.
    """

    nightly: str = "0 2 * * *"
    training: str = "0 5 * * 1"
    looks: str = "1,31 * * * *"
    parity: str = "40 6 * * *"
    deadlines: Mapping[str, str] = field(
        default_factory=lambda: {
            "ingest": "03:30",
            "features": "04:30",
            "materialize": "05:00",
            "score": "05:30",
            "monitor": "06:00",
        }
    )
    paged: tuple[str, ...] = ("score",)

    def deadline(self, stage: str) -> timedelta:
        """How long after the end of its day the stage must be done; a day where the schedule does not say."""
        moment = time.fromisoformat(self.deadlines.get(stage, "00:00"))
        return timedelta(hours=moment.hour, minutes=moment.minute) or timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class UseCase:
    """Everything that is particular to one use case."""

    name: str
    description: str
    owner: str
    events: Feed
    labels: Feed
    label: LabelPolicy
    feature_sets: Mapping[str, FeatureSet]
    suites: Mapping[str, Suite]
    rule: RuleModel
    model: ModelPolicy
    review: ReviewPolicy
    evidence: EvidencePolicy = field(default_factory=EvidencePolicy)
    ingest: IngestPolicy = field(default_factory=IngestPolicy)
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    rollout: RolloutPolicy = field(default_factory=RolloutPolicy)
    watch: WatchPolicy = field(default_factory=WatchPolicy)
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def feeds(self) -> tuple[Feed, Feed]:
        """Events and labels."""
        return (self.events, self.labels)

    @cached_property
    def stored_features(self) -> FeatureSet:
        """The columns of the lake's `features` table: every feature of every set, once."""
        return union("stored", f"all features of {self.name}", self.feature_sets.values())

    @cached_property
    def policy_digest(self) -> str:
        """SHA-256 (hex) over every policy that decides what a model may do."""
        parts = (self.rule, self.model, self.review, self.evidence, self.ingest, self.drift, self.label, self.rollout)
        policies = [asdict(part) for part in parts]
        return hashlib.sha256(json.dumps(policies, sort_keys=True, default=str).encode()).hexdigest()
