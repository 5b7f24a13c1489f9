"""What a feature is: declared once, with owner, meaning, unit, default and reason; its name is
generated.

The Spark job, the online path, the Feast objects, the expectations, the model's signature and the
docs all derive from these declarations. Nothing here computes; `features.kernel` does. The kinds
are in `features.kinds`; this module gathers the whole vocabulary of declarations.

Semantics, to the microsecond, for an event of an entity at time *t*:

- A window of *w* days with a delay of *d* days covers the entity's events with `event_time` in (t -
  d - w, t - d].
- Without a delay the event itself is included; of events with the same entity and instant it sees
  itself and those
  with a smaller event id. With a delay all events in the interval count.
- A labelled event counts as positive from the moment it was reported; see `LabelCount`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property

from features.errors import FeatureError
from features.feature import DType, EntityFeature, Feature, WindowFeature
from features.kinds import (
    Calendar,
    Difference,
    LabelCount,
    LabelRate,
    Ratio,
    RequestAmount,
    SecondsSinceLast,
    WindowCount,
    WindowDeviation,
    WindowMax,
    WindowMean,
)
from features.schema import Entity, EventSchema

__all__ = [
    "Calendar",
    "DType",
    "Difference",
    "Entity",
    "EntityFeature",
    "EventSchema",
    "Feature",
    "FeatureSet",
    "LabelCount",
    "LabelRate",
    "Ratio",
    "RequestAmount",
    "SecondsSinceLast",
    "WindowCount",
    "WindowDeviation",
    "WindowFeature",
    "WindowMax",
    "WindowMean",
    "union",
]


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """An ordered, named set of features over one event schema; what a model is trained on and
    signed with.
    """

    name: str
    description: str
    schema: EventSchema
    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise FeatureError(
                f"feature set {self.name!r} declares a name twice",
                expected="every name once",
                found=", ".join(twice),
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names in the declared order: the model's input signature."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def reach_days(self) -> int:
        """Days of history before an event that decide its features (37 for fraud)."""
        return max((feature.reach_days for feature in self.features), default=0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that decides the values: definitions, order, schema."""
        content = {
            "schema": asdict(self.schema),
            "features": [f.declaration() for f in self.features],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def __getitem__(self, name: str) -> Feature:
        for feature in self.features:
            if feature.name == name:
                return feature
        raise FeatureError(
            f"feature set {self.name!r} has no {name!r}", expected=", ".join(self.names), found=name
        )


def union(name: str, description: str, sets: Iterable[FeatureSet]) -> FeatureSet:
    """One feature set with the features of all `sets`, each once, in order of first appearance."""
    sets = tuple(sets)
    merged: dict[str, Feature] = {}
    for feature_set in sets:
        for feature in feature_set.features:
            if merged.setdefault(feature.name, feature) != feature:
                raise FeatureError(
                    f"two feature sets define {feature.name!r} differently",
                    expected="one definition for each name",
                    found=", ".join(s.name for s in sets),
                )
    return FeatureSet(
        name=name, description=description, schema=sets[0].schema, features=tuple(merged.values())
    )
