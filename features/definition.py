"""What a feature is: declared once, with owner, meaning, unit, default and reason; its name is generated.

The Spark job, the online path, the Feast objects, the expectations, the model's signature and the docs all derive from
these declarations. Nothing here computes; `features.kernel` does.

Semantics, to the microsecond, for an event of an entity at time *t*:

- A window of *w* days with a delay of *d* days covers the entity's events with `event_time` in (t - d - w, t - d].
- Without a delay the event itself is included; of events with the same entity and instant it sees itself and those
  with a smaller event id. With a delay all events in the interval count.
- A labelled event counts as positive from the moment it was reported; see `LabelRate`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar, Literal

from features.errors import FeatureError

DType = Literal["int64", "float64"]
Reads = Literal["amount", "reported"]


@dataclass(frozen=True, kw_only=True)
class Entity:
    """Something that events belong to (a card's customer, a terminal) and over whose history windows slide."""

    name: str
    key: str
    description: str


@dataclass(frozen=True, kw_only=True)
class EventSchema:
    """The columns of the use case's events that features are made of.

    `amount` is a money column: decimals with two places in the lake, whole cents (int64) inside the engine.
    """

    id: str
    time: str
    amount: str
    entities: tuple[Entity, ...]

    def entity(self, name: str) -> Entity:
        """The entity of that name; raises `FeatureError`."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise FeatureError(f"no entity {name!r}", expected=", ".join(e.name for e in self.entities), found=name)


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Common part of every declaration.

    `default` is the value where the history gives none (an unknown entity, a division by nothing).
    """

    kind: ClassVar[str] = "abstract"
    dtype: ClassVar[DType] = "float64"
    owner: str
    description: str
    unit: str
    reason: str
    default: float = 0.0

    @property
    def name(self) -> str:
        """The generated column name."""
        raise FeatureError(f"{type(self).__name__} declares no name")

    @property
    def reach_days(self) -> int:
        """How many days before the event the feature looks back."""
        return 0

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """The features that this one is computed from."""
        return ()

    def declaration(self) -> dict[str, object]:
        """Everything that decides the feature's values, as plain JSON data: what its digest is made of."""
        values = {k: v for k, v in asdict(self).items() if k not in {"owner", "description", "unit", "reason"}}
        return {"kind": self.kind, "name": self.name, "dtype": self.dtype, **values}


@dataclass(frozen=True, kw_only=True)
class RequestAmount(Feature):
    """The money amount of the event itself, in units of the currency (cents / 100)."""

    kind: ClassVar[str] = "request_amount"

    @property
    def name(self) -> str:
        return "amount"


@dataclass(frozen=True, kw_only=True)
class Calendar(Feature):
    """1 where the event's UTC time falls into `period`, else 0: weekend is Saturday and Sunday, night is hour <= 6."""

    kind: ClassVar[str] = "calendar"
    dtype: ClassVar[DType] = "int64"
    period: Literal["weekend", "night"]

    @property
    def name(self) -> str:
        return f"is_{self.period}"


@dataclass(frozen=True, kw_only=True)
class WindowFeature(Feature):
    """A feature over a sliding window of one entity's events: `days` long, ending `delay_days` before the event.

    `reads` says what it looks at besides the events' ids and times, and so what the online state has to hold.
    """

    reads: ClassVar[tuple[Reads, ...]] = ()
    entity: str
    days: int
    delay_days: int = 0

    @property
    def reach_days(self) -> int:
        return self.days + self.delay_days


@dataclass(frozen=True, kw_only=True)
class WindowCount(WindowFeature):
    """Number of the entity's events in the window."""

    kind: ClassVar[str] = "window_count"
    dtype: ClassVar[DType] = "int64"

    @property
    def name(self) -> str:
        return f"{self.entity}_tx_count_{self.days}d"


@dataclass(frozen=True, kw_only=True)
class WindowMean(WindowFeature):
    """Mean amount of the entity's events in the window: the sum in whole cents (int64) / count / 100, in float64."""

    kind: ClassVar[str] = "window_mean"
    reads: ClassVar[tuple[Reads, ...]] = ("amount",)

    @property
    def name(self) -> str:
        return f"{self.entity}_amount_mean_{self.days}d"


@dataclass(frozen=True, kw_only=True)
class LabelRate(WindowFeature):
    """Share of the window's events that are labelled positive and were reported at or before the event; 0 where none.

    With `prior_weight` = k and `prior_rate` = p it is smoothed: (positives + k p) / (count + k).
    """

    kind: ClassVar[str] = "label_rate"
    reads: ClassVar[tuple[Reads, ...]] = ("reported",)
    prior_weight: float = 0.0
    prior_rate: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.entity}_fraud_{'risk' if self.prior_weight else 'rate'}_{self.days}d"


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """An ordered, named set of features over one event schema; what a model is trained on and signed with."""

    name: str
    description: str
    schema: EventSchema
    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise FeatureError(
                f"feature set {self.name!r} declares a name twice", expected="every name once", found=", ".join(twice)
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
        content = {"schema": asdict(self.schema), "features": [f.declaration() for f in self.features]}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def __getitem__(self, name: str) -> Feature:
        for feature in self.features:
            if feature.name == name:
                return feature
        raise FeatureError(f"feature set {self.name!r} has no {name!r}", expected=", ".join(self.names), found=name)


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
    return FeatureSet(name=name, description=description, schema=sets[0].schema, features=tuple(merged.values()))
