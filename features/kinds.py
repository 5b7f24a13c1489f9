"""The kinds of features that can be declared; a new one is a class here and its function in
`features.values`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from features.errors import FeatureError
from features.feature import DType, EntityFeature, Feature, Reads, WindowFeature


@dataclass(frozen=True, kw_only=True)
class RequestAmount(Feature):
    """The money amount of the event itself, in units of the currency (cents / 100).

    `column` is the event's column of amounts (`EventSchema.amount`); the feature bears its name.
    """

    kind: ClassVar[str] = "request_amount"
    column: str = "amount"

    @cached_property
    def name(self) -> str:
        return self.column

    def declaration(self) -> dict[str, object]:
        """As `Feature.declaration`; the column's usual name is left out, as it was before there
        was a choice.
        """
        plain = super().declaration()
        return {k: v for k, v in plain.items() if (k, v) != ("column", "amount")}


@dataclass(frozen=True, kw_only=True)
class Calendar(Feature):
    """1 where the event's UTC time falls into `period`, else 0: weekend is Saturday and Sunday,
    night is hour <= 6.
    """

    kind: ClassVar[str] = "calendar"
    dtype: ClassVar[DType] = "int64"
    period: Literal["weekend", "night"]

    @cached_property
    def name(self) -> str:
        return f"is_{self.period}"


@dataclass(frozen=True, kw_only=True)
class WindowCount(WindowFeature):
    """Number of the entity's events in the window."""

    kind: ClassVar[str] = "window_count"
    dtype: ClassVar[DType] = "int64"

    @cached_property
    def name(self) -> str:
        return self._named("tx_count")


@dataclass(frozen=True, kw_only=True)
class WindowMean(WindowFeature):
    """Mean amount of the entity's events in the window: the sum in whole cents (int64) / count /
    100, in float64.
    """

    kind: ClassVar[str] = "window_mean"
    reads: ClassVar[tuple[Reads, ...]] = ("amount",)

    @cached_property
    def name(self) -> str:
        return self._named("amount_mean")


@dataclass(frozen=True, kw_only=True)
class WindowMax(WindowFeature):
    """Largest amount of the entity's events in the window (cents / 100); the default where there
    are none.
    """

    kind: ClassVar[str] = "window_max"
    reads: ClassVar[tuple[Reads, ...]] = ("amount",)

    @cached_property
    def name(self) -> str:
        return self._named("amount_max")


@dataclass(frozen=True, kw_only=True)
class WindowDeviation(WindowFeature):
    """Standard deviation (of the population) of the window's amounts; the default where there are
    fewer than two.
    """

    kind: ClassVar[str] = "window_deviation"
    reads: ClassVar[tuple[Reads, ...]] = ("amount",)

    @cached_property
    def name(self) -> str:
        return self._named("amount_deviation")


@dataclass(frozen=True, kw_only=True)
class SecondsSinceLast(EntityFeature):
    """Seconds since the entity's previous event, 0 for the same instant; the default where none is
    in (t - days, t].
    """

    kind: ClassVar[str] = "seconds_since_last"

    @cached_property
    def name(self) -> str:
        return self._named("seconds_since_last")


@dataclass(frozen=True, kw_only=True)
class LabelCount(WindowFeature):
    """Number of the window's events that are labelled positive and were reported at or before the
    event.

    A label that is reported at the very instant of its event counts for later instants only: no
    event sees its own.
    """

    kind: ClassVar[str] = "label_count"
    reads: ClassVar[tuple[Reads, ...]] = ("reported",)
    dtype: ClassVar[DType] = "int64"
    positive: str = "positive"
    """what a positive is called in the feature's name"""

    @cached_property
    def name(self) -> str:
        return self._named(f"{self.positive}_count")


@dataclass(frozen=True, kw_only=True)
class LabelRate(WindowFeature):
    """Share of the window's events that are labelled positive, counted as `LabelCount` does; the
    default where none.

    With `prior_weight` = k and `prior_rate` = p it is smoothed: (positives + k p) / (count + k).
    """

    kind: ClassVar[str] = "label_rate"
    reads: ClassVar[tuple[Reads, ...]] = ("reported",)
    prior_weight: float = 0.0
    prior_rate: float = 0.0
    positive: str = "positive"
    """what a positive is called in the feature's name"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior_weight < 0 or not 0 <= self.prior_rate <= 1:
            raise FeatureError(
                "a prior is impossible",
                expected="prior_weight >= 0 and prior_rate between 0 and 1",
                found=f"prior_weight={self.prior_weight}, prior_rate={self.prior_rate}",
            )

    @cached_property
    def name(self) -> str:
        return self._named(f"{self.positive}_{'risk' if self.prior_weight else 'rate'}")


@dataclass(frozen=True, kw_only=True)
class Ratio(Feature):
    """numerator / denominator; the default where the denominator is 0."""

    kind: ClassVar[str] = "ratio"
    numerator: Feature
    denominator: Feature

    @cached_property
    def name(self) -> str:
        return f"{self.numerator.name}_per_{self.denominator.name}"

    @property
    def inputs(self) -> tuple[Feature, ...]:
        return (self.numerator, self.denominator)


@dataclass(frozen=True, kw_only=True)
class Difference(Feature):
    """left - right, in float64."""

    kind: ClassVar[str] = "difference"
    left: Feature
    right: Feature

    @cached_property
    def name(self) -> str:
        return f"{self.left.name}_minus_{self.right.name}"

    @property
    def inputs(self) -> tuple[Feature, ...]:
        return (self.left, self.right)
