"""The suites of the fraud use case."""

from __future__ import annotations

from expectations.definition import Check, Suite

TRANSACTIONS = Suite(
    name="transactions",
    checks=(
        Check(
            type="ExpectColumnValuesToNotBeNull",
            arguments={"column": "transaction_id"},
            meaning="rows cannot be told apart",
        ),
    ),
)

FEATURES = Suite(
    name="features",
    checks=(
        Check(
            type="ExpectColumnValuesToNotBeNull",
            arguments={"column": "amount"},
            meaning="the model would see holes",
        ),
    ),
)

PREDICTIONS = Suite(
    name="predictions",
    checks=(
        Check(
            type="ExpectColumnValuesToBeBetween",
            arguments={"column": "score", "min_value": 0, "max_value": 1},
            meaning="scores are not probabilities",
        ),
    ),
)
