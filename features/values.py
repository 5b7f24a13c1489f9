"""How each kind of feature is computed: one function per kind, over whole columns, in one fixed
order of operations.

Counts and cents are int64; what is divided is divided in float64, once, in the order written here.
Addition, subtraction, multiplication, division and square root are exact to the bit by IEEE 754
wherever they run, so a batch and a single request get the same bits. Logarithms and powers are not,
and are not used.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.context import Context
from features.errors import FeatureError
from features.feature import Feature
from features.instants import MICROSECONDS_PER_DAY
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
from features.stacked import Stack

LAST_NIGHT_HOUR = 6
Values = NDArray[Any]


@singledispatch
def values(feature: Feature | Stack, _context: Context) -> Values:
    """The feature's value for each query of the context; raises `FeatureError` for a kind that has
    no function here.
    """
    raise FeatureError(
        f"features of kind {feature.kind!r} cannot be computed",
        expected="a kind with a function in features/values.py",
        found=type(feature).__name__,
    )


@values.register
def _(stack: Stack, context: Context) -> Values:
    return values.dispatch(type(stack.members[0]))(stack, context)


@values.register
def _(_feature: RequestAmount, context: Context) -> Values:
    return context.cents / 100


@values.register
def _(feature: Calendar, context: Context) -> Values:
    days, microseconds = np.divmod(context.at, MICROSECONDS_PER_DAY)
    if feature.period == "weekend":
        return (days + 3) % 7 >= 5  # 1970-01-01 was a Thursday, the fourth day of its week
    return microseconds < (LAST_NIGHT_HOUR + 1) * MICROSECONDS_PER_DAY // 24


@values.register
def _(feature: WindowCount, context: Context) -> Values:
    return context.history(feature.entity).counts(feature)


@values.register
def _(feature: WindowMean, context: Context) -> Values:
    history = context.history(feature.entity)
    return _divided(history.sums(feature), history.counts(feature), feature.default, per=100)


@values.register
def _(feature: WindowMax, context: Context) -> Values:
    history = context.history(feature.entity)
    return np.where(history.counts(feature) > 0, history.maxima(feature) / 100, feature.default)


@values.register
def _(feature: WindowDeviation, context: Context) -> Values:
    history = context.history(feature.entity)
    count = history.counts(feature)
    floored, squares = history.squared_deviations(feature)
    rest = history.sums(feature) - floored
    several = count > 1
    count = np.where(several, count, 1)
    variance = (squares - rest * rest / count) / count
    return np.where(several, np.sqrt(np.maximum(variance, 0)) / 100, feature.default)


@values.register
def _(feature: SecondsSinceLast, context: Context) -> Values:
    there, times = context.history(feature.entity).previous(feature)
    return np.where(there, (context.at - times) / 1_000_000, feature.default)


@values.register
def _(feature: LabelCount, context: Context) -> Values:
    return context.history(feature.entity).positives(feature)


@values.register
def _(feature: LabelRate, context: Context) -> Values:
    history = context.history(feature.entity)
    positives = history.positives(feature) + feature.prior_weight * feature.prior_rate
    return _divided(positives, history.counts(feature) + feature.prior_weight, feature.default)


@values.register
def _(feature: Ratio, context: Context) -> Values:
    return _divided(
        context.value(feature.numerator), context.value(feature.denominator), feature.default
    )


@values.register
def _(feature: Difference, context: Context) -> Values:
    difference: Values = context.value(feature.left).astype(np.float64) - context.value(
        feature.right
    )
    return difference


def _divided(numerator: Values, denominator: Values, default: float, per: int = 1) -> Values:
    """numerator / denominator / per in float64, the default where the denominator is 0."""
    some = denominator != 0
    quotient = numerator / np.where(some, denominator, 1)
    result: Values = np.where(some, quotient / per, default)
    return result
