"""Expectations that follow from the feature definitions: what a count, a rate, a flag or an age can
be at all.
"""

from __future__ import annotations

from expectations.definition import Check, Suite
from features.definition import FeatureSet
from features.feature import Feature
from features.kinds import (
    Calendar,
    LabelCount,
    LabelRate,
    SecondsSinceLast,
    WindowCount,
    WindowDeviation,
)

FINITE = 1e15
"""No value of a feature is beyond this: what is, is an infinity or an overflow."""

_SECONDS_A_DAY = 86_400


def features_suite(feature_set: FeatureSet, extra: tuple[Check, ...] = ()) -> Suite:
    """The suite of a table with the set's features: one row an event, no holes, nothing impossible;
    and `extra`.
    """
    schema = feature_set.schema
    keys = (schema.id, schema.time, *(entity.key for entity in schema.entities))
    checks = [
        Check(type="ExpectColumnValuesToBeUnique", arguments={"column": schema.id}, meaning=_TWICE)
    ]
    checks += [Check(type=_NOT_NULL, arguments={"column": key}, meaning=_NOBODY) for key in keys]
    for feature in feature_set.features:
        checks += feature_checks(feature)
    return Suite(name="features", checks=(*checks, *extra))


def feature_checks(feature: Feature) -> tuple[Check, ...]:
    """No value is missing, and none is outside what the definition allows (its default
    included).
    """
    meaning = f"{feature.description} cannot be that: the engine or its input is broken"
    present = Check(
        type=_NOT_NULL,
        arguments={"column": feature.name},
        meaning=f"the model needs {feature.name}",
    )
    if isinstance(feature, Calendar):
        flag = {"column": feature.name, "value_set": [0, 1]}
        return present, Check(type="ExpectColumnValuesToBeInSet", arguments=flag, meaning=meaning)
    low, high = possible_range(feature)
    bounds = {"column": feature.name, "min_value": low, "max_value": high}
    return present, Check(type="ExpectColumnValuesToBeBetween", arguments=bounds, meaning=meaning)


def possible_range(feature: Feature) -> tuple[float, float]:
    """The smallest and the largest value that the definition allows, in the feature's unit."""
    low, high = _range_of_kind(feature)
    return min(low, feature.default), max(high, feature.default)


def _range_of_kind(feature: Feature) -> tuple[float, float]:
    if isinstance(feature, WindowCount):
        return (1 if feature.include_current and not feature.delay_days else 0), FINITE
    if isinstance(feature, LabelRate):
        return 0, 1
    if isinstance(feature, SecondsSinceLast):
        return 0, feature.days * _SECONDS_A_DAY
    if isinstance(feature, LabelCount | WindowDeviation):
        return 0, FINITE
    return -FINITE, FINITE


_NOT_NULL = "ExpectColumnValuesToNotBeNull"
_TWICE = "an event has more than one row of features"
_NOBODY = "a row cannot be matched with its event"
