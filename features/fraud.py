"""The features of the fraud use case: the public handbook's fifteen (`BASELINE`), and what proved itself on top (`EXTENDED`).

Source of the baseline: Le Borgne et al., *Reproducible Machine Learning for Credit Card Fraud Detection*, chapter 3.
"""

from __future__ import annotations

from features.definition import (
    Calendar,
    Entity,
    EventSchema,
    Feature,
    FeatureSet,
    LabelRate,
    RequestAmount,
    WindowCount,
    WindowMean,
)

OWNER = "fraud-features"
WINDOWS = (1, 7, 30)
LABEL_DELAY_DAYS = 7

SCHEMA = EventSchema(
    id="transaction_id",
    time="event_time",
    amount="amount",
    entities=(
        Entity(name="customer", key="customer_id", description="the holder of the card"),
        Entity(name="terminal", key="terminal_id", description="the point of sale"),
    ),
)


def _customer(days: int) -> tuple[Feature, ...]:
    return (
        WindowCount(
            entity="customer", days=days, owner=OWNER, unit="transactions",
            description=f"transactions of the customer in the last {days} d, this one included",
            reason="a stolen card is used more often than its owner uses it", default=1,
        ),
        WindowMean(
            entity="customer", days=days, owner=OWNER, unit="currency",
            description=f"mean amount of the customer's transactions in the last {days} d, this one included",
            reason="what is usual for this customer",
        ),
    )  # fmt: skip


def _terminal(days: int) -> tuple[Feature, ...]:
    return (
        WindowCount(
            entity="terminal", days=days, delay_days=LABEL_DELAY_DAYS, owner=OWNER, unit="transactions",
            description=f"transactions at the terminal in {days} d, ending {LABEL_DELAY_DAYS} d ago",
            reason="how much evidence the terminal's rate rests on",
        ),
        LabelRate(
            entity="terminal", days=days, delay_days=LABEL_DELAY_DAYS, owner=OWNER, unit="share",
            description=f"share of reported frauds among the terminal's transactions in {days} d, ending {LABEL_DELAY_DAYS} d ago",
            reason="a compromised terminal stays compromised for weeks",
        ),
    )  # fmt: skip


BASELINE = FeatureSet(
    name="baseline",
    description="the handbook's fifteen features",
    schema=SCHEMA,
    features=(
        RequestAmount(
            owner=OWNER, unit="currency", description="amount of the transaction", reason="large amounts are riskier"
        ),
        Calendar(
            period="weekend", owner=OWNER, unit="flag", description="1 on Saturday and Sunday, UTC",
            reason="spending differs at the weekend",
        ),
        Calendar(
            period="night", owner=OWNER, unit="flag", description="1 where the UTC hour is 0 to 6",
            reason="spending differs at night",
        ),
        *(feature for days in WINDOWS for feature in _customer(days)),
        *(feature for days in WINDOWS for feature in _terminal(days)),
    ),
)  # fmt: skip
