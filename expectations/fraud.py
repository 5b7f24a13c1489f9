"""What the tables of the fraud use case must satisfy beyond what follows from their columns and
features.

The rest is derived: `expectations.from_columns`, `expectations.from_features`.
"""

from __future__ import annotations

from collections.abc import Mapping

from expectations.definition import Check


def _warning(kind: str, meaning: str, **arguments: object) -> Check:
    return Check(type=kind, arguments=arguments, severity="warning", meaning=meaning)


def _ratio(column: str, low: float, high: float, meaning: str) -> Check:
    return _warning(
        "ExpectColumnValuesToBeBetween", meaning, column=column, min_value=low, max_value=high
    )


CHECKS: Mapping[str, tuple[Check, ...]] = {
    "transactions": (
        _warning(
            "ExpectColumnMeanToBeBetween",
            "amounts may be in another unit (cents, another currency)",
            column="amount",
            min_value=5,
            max_value=500,
        ),
    ),
    "transactions_by_day": (
        _ratio(
            "volume_ratio",
            0.5,
            2,
            "far fewer or more transactions than usual on this weekday: a part of the feed is"
            " missing, or sent twice",
        ),
        _ratio(
            "busiest_hour_share",
            0,
            0.5,
            "most transactions fall into one hour: times are wrong, or only a part of the day was"
            " sent",
        ),
        _ratio("duplicate_share", 0, 0.05, "much of the day was sent before; ask the sender"),
        _ratio(
            "late_share",
            0,
            0.1,
            "much of the day belongs to earlier days, whose features are computed again",
        ),
    ),
    "predictions": (
        _warning(
            "ExpectColumnMeanToBeBetween",
            "the share of transactions called fraud is out of all proportion; alerts are not worth"
            " the analysts' time",
            column="decision",
            min_value=0,
            max_value=0.1,
        ),
    ),
}
"""Further checks by suite: that of a feed, of a feed's days (`<feed>_by_day`), of the features or
the predictions.
"""
