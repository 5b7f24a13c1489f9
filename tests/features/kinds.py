"""A feature set with every kind of feature in it, for tests."""

from __future__ import annotations

from typing import Any

from features.definition import (
    Difference,
    FeatureSet,
    LabelCount,
    LabelRate,
    Ratio,
    SecondsSinceLast,
    WindowCount,
    WindowDeviation,
    WindowMax,
    WindowMean,
)
from features.fraud import BASELINE, SCHEMA

TEXTS: dict[str, Any] = {"owner": "tests", "description": "…", "unit": "…", "reason": "…"}

AMOUNT = BASELINE["amount"]
_BEFORE = WindowMean(
    entity="customer", days=30, include_current=False, default=-1.0, variant="tested", **TEXTS
)
_DEVIATION = WindowDeviation(entity="customer", days=30, include_current=False, **TEXTS)
_ALWAYS_POSITIVE = WindowMean(entity="customer", days=30, variant="again", **TEXTS)

EVERY_KIND = FeatureSet(
    name="every_kind",
    description="the baseline, and one of each other kind and option",
    schema=SCHEMA,
    features=(
        *BASELINE.features,
        _BEFORE,
        WindowCount(entity="customer", days=2, include_current=False, **TEXTS),
        WindowMax(entity="customer", days=7, **TEXTS),
        WindowMax(
            entity="terminal", days=7, delay_days=7, default=-2.0, variant="delayed", **TEXTS
        ),
        WindowDeviation(entity="terminal", days=3, **TEXTS),
        SecondsSinceLast(entity="customer", days=3, default=259200.0, **TEXTS),
        LabelCount(entity="customer", days=30, **TEXTS),
        LabelRate(entity="customer", days=14, include_current=False, **TEXTS),
        LabelRate(
            entity="terminal", days=30, delay_days=7, prior_weight=20, prior_rate=0.008, **TEXTS
        ),
        Ratio(numerator=AMOUNT, denominator=_ALWAYS_POSITIVE, default=1.0, **TEXTS),
        Ratio(
            numerator=Difference(left=AMOUNT, right=_BEFORE, **TEXTS),
            denominator=_DEVIATION,
            default=0.5,
            **TEXTS,
        ),
    ),
)
