"""What every declared feature has: owner, meaning, unit, reason, default, a generated name, a reach
into the past.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import ClassVar, Literal

from features.errors import FeatureError

DType = Literal["int64", "float64"]
Reads = Literal["amount", "reported"]
_TEXTS = {"owner", "description", "unit", "reason"}


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

    @cached_property
    def name(self) -> str:
        """The generated column name."""
        raise FeatureError(f"{type(self).__name__} declares no name")

    @property
    def reach_days(self) -> int:
        """How many days before the event the feature looks back."""
        return max((feature.reach_days for feature in self.inputs), default=0)

    @property
    def of_event_alone(self) -> bool:
        """Whether the event itself says the value: no history, and so no state, is needed."""
        return self.reach_days == 0

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """The features that this one is computed from."""
        return ()

    def declaration(self) -> dict[str, object]:
        """Everything that decides the feature's values, as plain JSON data: what its digest is made
        of.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _TEXTS}
        plain = {k: v.declaration() if isinstance(v, Feature) else v for k, v in values.items()}
        return {"kind": self.kind, "name": self.name, "dtype": self.dtype, **plain}


@dataclass(frozen=True, kw_only=True)
class EntityFeature(Feature):
    """A feature over the history of one of the event's entities, `days` back at most.

    `variant` tells two features apart whose generated names would be the same. `reads` says what
    the kind looks at besides ids and times of events, and so what the online state has to hold.
    """

    reads: ClassVar[tuple[Reads, ...]] = ()
    entity: str
    days: int
    variant: str = ""

    def __post_init__(self) -> None:
        if self.days < 1:
            raise FeatureError(
                "a window is too short", expected="a day or more", found=f"days={self.days}"
            )

    @property
    def reach_days(self) -> int:
        return self.days

    def _named(self, what: str) -> str:
        return "_".join(part for part in (self.entity, what, f"{self.days}d", self.variant) if part)


@dataclass(frozen=True, kw_only=True)
class WindowFeature(EntityFeature):
    """A feature over a sliding window of one entity's events: `days` long, ending `delay_days`
    before the event.

    With `include_current=False` the event itself is left out of its own window (and `_before` added
    to its name); events of the same instant with a smaller id stay in.
    """

    delay_days: int = 0
    include_current: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.delay_days < 0 or (self.delay_days and not self.include_current):
            raise FeatureError(
                "a window with a delay never holds the event itself",
                expected="a delay of 0 or more, `include_current=False` only without a delay",
                found=f"delay_days={self.delay_days}, include_current={self.include_current}",
            )

    @property
    def reach_days(self) -> int:
        return self.days + self.delay_days

    def _named(self, what: str) -> str:
        return super()._named(what) + ("" if self.include_current else "_before")
