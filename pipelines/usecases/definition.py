"""What a use case declares: feeds, features, suites, label, model, metrics, policy, schedule. Data only, no behaviour.

A second use case is one such declaration with its features and expectations; no stage knows a column by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from expectations.definition import Suite
from features.definition import FeatureSet, union
from pipelines.base.errors import UsageError
from pipelines.usecases.policies.evidence import EvidencePolicy
from pipelines.usecases.policies.retention import RetentionPolicy
from pipelines.usecases.policies.rollout import RolloutPolicy
from pipelines.usecases.policies.schedule import Schedule
from pipelines.usecases.policies.serving import ServingPolicy
from pipelines.usecases.policies.upkeep import UpkeepPolicy
from pipelines.usecases.policies.watch import DriftPolicy, WatchPolicy

ParameterValue = float | int | str | Mapping[str, int]
"""A parameter of the model: a number, a word, or a value for each column."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a feed: its Spark SQL type and what it holds.

    `not_card_numbers` says what the values of a text column are, where they may pass for card numbers and are none
    (device numbers have the same check digit): ingest then takes them.
    """

    name: str
    type: str
    description: str
    not_card_numbers: str = ""


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


POLICIES_KEY = "policies"
"""Under which name an account holds the `policy_digests` that its stage ran with."""

_ADDED = frozenset({"late_share", "late_reports", "late_consequence"})
"""Fields that policies did not have from the first: while they have their defaults, the digests stay as they were."""


def _decisive(policy: Any) -> dict[str, Any]:
    """A policy's values, as they go into the digest."""
    defaults = {one.name: one.default for one in fields(policy)}
    return {name: value for name, value in asdict(policy).items() if name not in _ADDED or value != defaults[name]}


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
    upkeep: UpkeepPolicy = field(default_factory=UpkeepPolicy)
    serving: ServingPolicy = field(default_factory=ServingPolicy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def feeds(self) -> tuple[Feed, Feed]:
        """Events and labels."""
        return (self.events, self.labels)

    @cached_property
    def stored_features(self) -> FeatureSet:
        """The columns of the lake's `features` table: every feature of every set, once."""
        return union("stored", f"all features of {self.name}", self.feature_sets.values())

    def feature_set(self, name: str) -> FeatureSet:
        """The feature set of that name; raises `UsageError` that lists those there are."""
        if name not in self.feature_sets:
            raise UsageError(
                "unknown feature set",
                where="--features",
                expected=", ".join(self.feature_sets),
                found=name,
                next_step="choose one of these",
            )
        return self.feature_sets[name]

    @cached_property
    def policy_digests(self) -> Mapping[str, str]:
        """The first 12 hex digits of the SHA-256 of each policy that a night reads, by the policy's name."""
        names = (
            "rule",
            "model",
            "review",
            "ingest",
            "drift",
            "watch",
            "label",
            "rollout",
            "evidence",
        )
        texts = {name: json.dumps(_decisive(getattr(self, name)), sort_keys=True, default=str) for name in names}
        return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in texts.items()}

    @cached_property
    def policy_digest(self) -> str:
        """SHA-256 (hex) over every policy that decides what a model may do."""
        parts = (self.rule, self.model, self.review, self.evidence, self.ingest, self.drift, self.label, self.rollout)
        policies = [_decisive(part) for part in (*parts, self.serving)]
        return hashlib.sha256(json.dumps(policies, sort_keys=True, default=str).encode()).hexdigest()
