"""What a use case declares: feeds, features, suites, label, model, metrics, policy, schedule.

Data only, no behaviour.

A second use case is one such declaration with its features and expectations; no stage knows a
column by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from itertools import chain
from typing import Any

from expectations.definition import Check, Suite
from expectations.from_columns import PREDICTED, feed_suite, predictions_suite
from expectations.from_features import features_suite
from features.definition import FeatureSet, union
from pipelines.base.errors import UsageError
from pipelines.base.home import FOLDERS, FORMER_FOLDERS
from pipelines.usecases.feeds import DAY, DAY_PROFILE, Bound, Column, Feed, Rule
from pipelines.usecases.policies.evidence import EvidencePolicy
from pipelines.usecases.policies.ingest import IngestPolicy
from pipelines.usecases.policies.label import LabelPolicy
from pipelines.usecases.policies.model import ModelPolicy, ParameterValue
from pipelines.usecases.policies.retention import (
    ALERT_LISTS,
    ANSWERS,
    LANDING,
    REPORTS,
    RetentionPolicy,
)
from pipelines.usecases.policies.review import ReviewPolicy
from pipelines.usecases.policies.rollout import RolloutPolicy
from pipelines.usecases.policies.rule import RuleModel
from pipelines.usecases.policies.schedule import Schedule
from pipelines.usecases.policies.serving import ServingPolicy
from pipelines.usecases.policies.upkeep import UpkeepPolicy
from pipelines.usecases.policies.watch import DriftPolicy, WatchPolicy
from pipelines.usecases.validation.checks import check_checks
from pipelines.usecases.validation.feature_sets import check_feature_sets, stored_names
from pipelines.usecases.validation.feeds import NAME, check_feed, check_label
from pipelines.usecases.validation.policies import (
    check_drift,
    check_model,
    check_retention,
    check_rollout,
    check_slices,
    check_watch,
    least_retention,
)
from pipelines.usecases.validation.problems import Problems, raise_for
from pipelines.usecases.validation.schedules import check_schedule
from pipelines.usecases.validation.values import check_values

__all__ = [
    "Bound",
    "Column",
    "Feed",
    "IngestPolicy",
    "LabelPolicy",
    "ModelPolicy",
    "ParameterValue",
    "ReviewPolicy",
    "Rule",
    "RuleModel",
    "UseCase",
]

FEATURES, PREDICTIONS = "features", "predictions"
"""The suites that are not those of a feed."""

POLICIES = (
    "rule",
    "model",
    "review",
    "evidence",
    "ingest",
    "drift",
    "label",
    "rollout",
    "serving",
    "watch",
    "upkeep",
    "retention",
    "schedule",
)
"""The parts of a use case that hold values which a person may change."""

TAKEN_NAMES = frozenset({*FOLDERS, *FORMER_FOLDERS, "logs"})
"""Folders of a home, now or in an earlier version: no use case may be called so."""

_ADDED = frozenset({"late_share", "late_reports", "late_consequence"})
"""Fields that policies did not have from the first: while they have their defaults, the digests
stay as they were.
"""


def _decisive(policy: Any) -> dict[str, Any]:
    """A policy's values, as they go into the digest."""
    defaults = {field.name: field.default for field in fields(policy)}
    return {
        name: value
        for name, value in asdict(policy).items()
        if name not in _ADDED or value != defaults[name]
    }


@dataclass(frozen=True, kw_only=True)
class UseCase:
    """Everything that is particular to one use case; raises `DeclarationError` that lists all that
    is wrong with it.

    `checks` are those that do not follow from columns, bounds and features, by suite (see
    `suites`).
    """

    name: str
    description: str
    owner: str
    events: Feed
    labels: Feed
    label: LabelPolicy
    feature_sets: Mapping[str, FeatureSet]
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
    checks: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = Problems()
        check_values(self, problems)
        for name in POLICIES:
            problems.at(name).look(check_values, getattr(self, name))
        problems.look(self._check_data)
        problems.look(self._check_policies)
        raise_for(problems.collected, self.name)

    @property
    def feeds(self) -> tuple[Feed, Feed]:
        """Events and labels."""
        return (self.events, self.labels)

    @cached_property
    def stored_features(self) -> FeatureSet:
        """The columns of the lake's `features` table: every feature of every set, once."""
        return union("stored", f"all features of {self.name}", self.feature_sets.values())

    @cached_property
    def suites(self) -> Mapping[str, Suite]:
        """What gates what: a suite for each feed, for its days where checks are declared, features
        and predictions.

        Types, keys and bounds of the columns and the definitions of the features give most of the
        checks; `checks` adds the others.
        """
        key, row = self.events.key, self.events.row
        return {
            **self._feed_suites(),
            FEATURES: features_suite(self.stored_features, self.checks.get(FEATURES, ())),
            PREDICTIONS: predictions_suite(key, row=row, extra=self.checks.get(PREDICTIONS, ())),
        }

    def _feed_suites(self) -> dict[str, Suite]:
        suites: dict[str, Suite] = {}
        for feed in self.feeds:
            suites[feed.name] = feed_suite(
                feed.name,
                [*(column.name for column in feed.columns), DAY],
                key=feed.key,
                row=feed.row,
                repeated=feed.repeated,
                ranges=feed.ranges,
                extra=self.checks.get(feed.name, ()),
            )
            by_day = f"{feed.name}_by_day"
            if by_day in self.checks:
                suites[by_day] = Suite(name=by_day, checks=self.checks[by_day])
        return suites

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
        """The first 12 hex digits of the SHA-256 of each policy that a night reads, by the policy's
        name.
        """
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
        texts = {
            name: json.dumps(_decisive(getattr(self, name)), sort_keys=True, default=str)
            for name in names
        }
        return {
            name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in texts.items()
        }

    @cached_property
    def policy_digest(self) -> str:
        """SHA-256 (hex) over every policy that decides what a model may do."""
        parts = (
            self.rule,
            self.model,
            self.review,
            self.evidence,
            self.ingest,
            self.drift,
            self.label,
            self.rollout,
        )
        policies = [_decisive(part) for part in (*parts, self.serving)]
        return hashlib.sha256(
            json.dumps(policies, sort_keys=True, default=str).encode()
        ).hexdigest()

    @property
    def least_retention(self) -> dict[str, int]:
        """The fewest days for which each table and folder has to be kept: what features, training
        and labels read.
        """
        model = self.model
        reach = max((part.reach_days for part in self.feature_sets.values()), default=0)
        return least_retention(
            self.feeds,
            reach=reach + self.ingest.lateness_days,
            learnt=self.label.delay_days
            + model.test_days * (1 + model.search_folds)
            + model.history_days,
            matured=self.label.delay_days + 1,
            others=(LANDING, ALERT_LISTS, REPORTS, ANSWERS),
        )

    def _check_data(self, problems: Problems) -> None:
        """Feeds, features and checks."""
        problems.at("name").require(
            NAME.fullmatch(self.name) is not None and self.name not in TAKEN_NAMES,
            "a name of small letters, digits and _ that is no folder of a home"
            f" ({', '.join(sorted(TAKEN_NAMES))})",
            self.name,
        )
        problems.at("events").look(check_feed, self.events)
        problems.at("labels").look(check_feed, self.labels)
        problems.look(check_label, self.events, self.labels, self.label)
        problems.at("feature_sets").look(
            check_feature_sets, self.feature_sets, self.events, self.label
        )
        problems.at("checks").look(check_checks, self.checks, self._judged_columns())

    def _check_policies(self, problems: Problems) -> None:
        """What the policies name, and how their values fit each other."""
        stored, keys = stored_names(self.feature_sets), self._keys()
        problems.at("review.unit").require_name(self.review.unit, keys, "the key of an entity")
        problems.at("rule.column").look(self._check_rule)
        problems.at("evidence").look(check_slices, self.evidence, stored, keys, self.events)
        problems.at("model").look(check_model, self.model, self.feature_sets, stored)
        problems.at("drift").look(check_drift, self.drift)
        problems.at("watch").look(check_watch, self.watch, self.drift)
        problems.at("rollout").look(check_rollout, self.rollout, self.upkeep)
        problems.at("schedule").look(check_schedule, self.schedule)
        problems.at("retention.days").look(self._check_retention)

    def _check_rule(self, problems: Problems) -> None:
        """The rule also decides where no state of an entity can be had in time."""
        features = [*chain.from_iterable(part.features for part in self.feature_sets.values())]
        alone = list(dict.fromkeys(part.name for part in features if part.of_event_alone))
        problems.require_name(
            self.rule.column, alone, "a stored feature that the event alone gives, without history"
        )

    def _check_retention(self, problems: Problems) -> None:
        check_retention(self.retention.days, self.least_retention, problems)

    def _keys(self) -> tuple[str, ...]:
        """The keys of the entities."""
        schemas = [part.schema for part in self.feature_sets.values()]
        return schemas[0].keys if schemas else ()

    def _judged_columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of the table that each suite judges."""
        columns: dict[str, tuple[str, ...]] = {}
        for feed in self.feeds:
            columns[feed.name] = (*(column.name for column in feed.columns), DAY)
            columns[f"{feed.name}_by_day"] = DAY_PROFILE
        carried = (DAY, *self.events.key, self.events.time, *self._keys())
        columns[FEATURES] = (*carried, *stored_names(self.feature_sets))
        columns[PREDICTIONS] = (
            *carried,
            *(part.schema.amount for part in self.feature_sets.values()),
            *PREDICTED,
        )
        return columns
