"""Features in plain Python, one event at a time, by looking at every other event: slow, and easy to
believe.

Re-implements the semantics of design section 5 from the declarations alone; shares nothing with the
engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import sqrt

from features.definition import (
    Calendar,
    Difference,
    Feature,
    LabelCount,
    LabelRate,
    Ratio,
    RequestAmount,
    SecondsSinceLast,
    WindowCount,
    WindowDeviation,
    WindowFeature,
    WindowMax,
    WindowMean,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    id: int
    time: datetime
    cents: int
    keys: Mapping[str, int]
    reported: datetime | None = None


def value(feature: Feature, event: Event, events: Sequence[Event]) -> float:
    """The feature's value for `event`, given all events (itself among them)."""
    match feature:
        case RequestAmount():
            return event.cents / 100
        case Calendar(period="weekend"):
            return int(event.time.isoweekday() in {6, 7})
        case Calendar(period="night"):
            return int(event.time.hour <= 6)
        case Ratio(numerator=numerator, denominator=denominator):
            over, under = value(numerator, event, events), value(denominator, event, events)
            return over / under if under else feature.default
        case Difference(left=left, right=right):
            return float(value(left, event, events)) - value(right, event, events)
        case SecondsSinceLast():
            return _since_last(feature, event, events)
        case WindowFeature():
            return _over_window(feature, event, window(feature, event, events))
    raise TypeError(f"no oracle for {feature.kind}")


def window(feature: WindowFeature, event: Event, events: Sequence[Event]) -> list[Event]:
    """The events in the feature's window, as design section 5 has it."""
    last = event.time - timedelta(days=feature.delay_days)
    first = last - timedelta(days=feature.days)
    inside = [
        other
        for other in events
        if other.keys[feature.entity] == event.keys[feature.entity] and first < other.time <= last
    ]
    if feature.delay_days:
        return inside
    seen = [other for other in inside if other.time < event.time or other.id <= event.id]
    return seen if feature.include_current else [other for other in seen if other.id != event.id]


def _over_window(feature: WindowFeature, event: Event, inside: list[Event]) -> float:
    cents = [other.cents for other in inside]
    known_labels = sum(_known(other, event) for other in inside)
    match feature:
        case WindowCount():
            return len(inside)
        case LabelCount():
            return known_labels
        case WindowMean():
            return sum(cents) / len(cents) / 100 if cents else feature.default
        case WindowMax():
            return max(cents) / 100 if cents else feature.default
        case WindowDeviation():
            return _deviation(cents) / 100 if len(cents) > 1 else feature.default
        case LabelRate(prior_weight=weight, prior_rate=rate):
            return (
                (known_labels + weight * rate) / (len(cents) + weight)
                if len(cents) + weight
                else feature.default
            )
    raise TypeError(f"no oracle for {feature.kind}")


def _known(other: Event, event: Event) -> bool:
    """Whether `other` was known to be positive at `event`: reported by then, and not at its own
    instant.
    """
    return (
        other.reported is not None
        and other.time <= other.reported <= event.time
        and other.time < event.time
    )


def _deviation(cents: list[int]) -> float:
    mean = Fraction(sum(cents), len(cents))
    return sqrt(sum((value - mean) ** 2 for value in cents) / len(cents))


def _since_last(feature: SecondsSinceLast, event: Event, events: Sequence[Event]) -> float:
    earlier = [
        other.time
        for other in events
        if other.keys[feature.entity] == event.keys[feature.entity]
        and (other.time, other.id) < (event.time, event.id)
        and other.time > event.time - timedelta(days=feature.days)
    ]
    return (event.time - max(earlier)) / timedelta(seconds=1) if earlier else feature.default
