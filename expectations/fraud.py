"""The suites of the fraud use case: what its feeds, its days and its predictions must satisfy.

The suite of the features follows from their definitions (`expectations.from_features`).
"""

from __future__ import annotations

from collections.abc import Iterable

from expectations.definition import Check, Severity, Suite


def _check(kind: str, meaning: str, severity: Severity = "critical", **arguments: object) -> Check:
    return Check(type=kind, arguments=arguments, severity=severity, meaning=meaning)


def _complete(columns: Iterable[str], meaning: str) -> tuple[Check, ...]:
    return tuple(_check("ExpectColumnValuesToNotBeNull", meaning, column=column) for column in columns)


_TRANSACTION = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount", "day")
_REPORT = ("transaction_id", "reported_at", "day")

TRANSACTIONS = Suite(
    name="transactions",
    checks=(
        _check("ExpectTableColumnsToMatchSet", "the feed has other columns than agreed", column_set=[*_TRANSACTION]),
        *_complete(_TRANSACTION, "a transaction is incomplete; ingest should have quarantined it"),
        _check(
            "ExpectCompoundColumnsToBeUnique",
            "a transaction is there twice; every count and sum would be too high",
            column_list=["transaction_id", "day"],
        ),
        _check(
            "ExpectColumnValuesToBeBetween",
            "an amount is impossible; ingest should have quarantined it",
            column="amount", min_value=0, max_value=100_000,
        ),
        _check(
            "ExpectColumnMeanToBeBetween",
            "amounts may be in another unit (cents, another currency)",
            "warning", column="amount", min_value=5, max_value=500,
        ),
    ),
)  # fmt: skip

FRAUD_REPORTS = Suite(
    name="fraud_reports",
    checks=(
        _check("ExpectTableColumnsToMatchSet", "the feed has other columns than agreed", column_set=[*_REPORT]),
        *_complete(_REPORT, "a report is incomplete; ingest should have quarantined it"),
        _check(
            "ExpectCompoundColumnsToBeUnique",
            "a transaction is reported twice on a day",
            column_list=["transaction_id", "day"],
        ),
    ),
)

TRANSACTIONS_BY_DAY = Suite(
    name="transactions_by_day",
    checks=(
        _check(
            "ExpectColumnValuesToBeBetween",
            "far fewer or more transactions than usual on this weekday: a part of the feed is missing, or sent twice",
            "warning", column="volume_ratio", min_value=0.5, max_value=2,
        ),
        _check(
            "ExpectColumnValuesToBeBetween",
            "most transactions fall into one hour: times are wrong, or only a part of the day was sent",
            "warning", column="busiest_hour_share", min_value=0, max_value=0.5,
        ),
        _check(
            "ExpectColumnValuesToBeBetween",
            "much of the day was sent before; ask the sender",
            "warning", column="duplicate_share", min_value=0, max_value=0.05,
        ),
        _check(
            "ExpectColumnValuesToBeBetween",
            "much of the day belongs to earlier days, whose features are computed again",
            "warning", column="late_share", min_value=0, max_value=0.1,
        ),
    ),
)  # fmt: skip

PREDICTIONS = Suite(
    name="predictions",
    checks=(
        *_complete(("transaction_id", "score", "decision"), "a transaction has no prediction"),
        *_complete(("release", "model_version"), "nobody could say which model decided"),
        _check("ExpectColumnValuesToBeUnique", "a transaction has two predictions", column="transaction_id"),
        _check(
            "ExpectColumnValuesToBeBetween",
            "scores are not probabilities: the model or its input is broken",
            column="score", min_value=0, max_value=1,
        ),
        _check(
            "ExpectColumnUniqueValueCountToBeBetween",
            "every transaction has the same score: the model does not see its input",
            "warning", column="score", min_value=2,
        ),
        _check(
            "ExpectColumnMeanToBeBetween",
            "the share of transactions called fraud is out of all proportion; alerts are not worth the analysts' time",
            "warning", column="decision", min_value=0, max_value=0.1,
        ),
    ),
)  # fmt: skip
