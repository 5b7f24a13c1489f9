"""The features of the fraud use case: the public handbook's fifteen (`BASELINE`), and what proved
itself on top (`EXTENDED`).

Source of the baseline: Le Borgne et al., *Reproducible Machine Learning for Credit Card Fraud
Detection*, chapter 3. What was tried for the extended set, and what it is worth, is in
`docs/decisions/0130-extended-features.md`.
"""

from __future__ import annotations

from itertools import chain

from features.definition import (
    Calendar,
    Difference,
    Entity,
    EventSchema,
    Feature,
    FeatureSet,
    LabelCount,
    LabelRate,
    Ratio,
    RequestAmount,
    WindowCount,
    WindowDeviation,
    WindowMax,
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
            entity="customer",
            days=days,
            owner=OWNER,
            unit="transactions",
            description=f"transactions of the customer in the last {days} d, this one included",
            reason="a stolen card is used more often than its owner uses it",
            default=1,
        ),
        WindowMean(
            entity="customer",
            days=days,
            owner=OWNER,
            unit="currency",
            description=(
                f"mean amount of the customer's transactions in the last {days} d, this one"
                " included"
            ),
            reason="what is usual for this customer",
        ),
    )


def _terminal(days: int) -> tuple[Feature, ...]:
    return (
        WindowCount(
            entity="terminal",
            days=days,
            delay_days=LABEL_DELAY_DAYS,
            owner=OWNER,
            unit="transactions",
            description=(
                f"transactions at the terminal in {days} d, ending {LABEL_DELAY_DAYS} d ago"
            ),
            reason="how much evidence the terminal's rate rests on",
        ),
        LabelRate(
            positive="fraud",
            entity="terminal",
            days=days,
            delay_days=LABEL_DELAY_DAYS,
            owner=OWNER,
            unit="share",
            description=(
                f"share of reported frauds among the terminal's transactions in {days} d, ending"
                f" {LABEL_DELAY_DAYS} d ago"
            ),
            reason="a compromised terminal stays compromised for weeks",
        ),
    )


BASELINE = FeatureSet(
    name="baseline",
    description="the handbook's fifteen features",
    schema=SCHEMA,
    features=(
        RequestAmount(
            owner=OWNER,
            unit="currency",
            description="amount of the transaction",
            reason="large amounts are riskier",
        ),
        Calendar(
            period="weekend",
            owner=OWNER,
            unit="flag",
            description="1 on Saturday and Sunday, UTC",
            reason="spending differs at the weekend",
        ),
        Calendar(
            period="night",
            owner=OWNER,
            unit="flag",
            description="1 where the UTC hour is 0 to 6",
            reason="spending differs at night",
        ),
        *chain.from_iterable(map(_customer, WINDOWS)),
        *chain.from_iterable(map(_terminal, WINDOWS)),
    ),
)


def _own_past(days: int, *, delay_days: int = 0) -> WindowMean:
    """What the customer used to spend: the mean of earlier transactions, none of them the one to be
    judged.
    """
    return WindowMean(
        entity="customer",
        days=days,
        delay_days=delay_days,
        include_current=bool(delay_days),
        owner=OWNER,
        unit="currency",
        reason="what is usual for this customer",
        description=(
            f"mean amount of the customer's earlier transactions in {days} d, ending {delay_days}"
            " d ago"
        ),
    )


def _against(
    numerator: Feature, denominator: Feature, description: str, reason: str, default: float = 1
) -> Ratio:
    return Ratio(
        numerator=numerator,
        denominator=denominator,
        owner=OWNER,
        unit="ratio",
        default=default,
        description=description,
        reason=reason,
    )


def _spending() -> tuple[Feature, ...]:
    """Amounts against the card's own past: what is large for one customer is small for another."""
    amount = BASELINE["amount"]
    month, week = _own_past(30), _own_past(7)
    before_a_fortnight = _own_past(23, delay_days=14)
    lately, usually = (BASELINE[f"customer_amount_mean_{days}d"] for days in (7, 30))
    largest = WindowMax(
        entity="customer",
        days=14,
        include_current=False,
        owner=OWNER,
        unit="currency",
        description="largest earlier amount of the customer in 14 d",
        reason="a stolen card is emptied by large amounts",
    )
    spread = WindowDeviation(
        entity="customer",
        days=30,
        include_current=False,
        owner=OWNER,
        unit="currency",
        description="deviation of the customer's earlier amounts in 30 d",
        reason="how much this customer's amounts vary",
    )
    excess = Difference(
        left=amount,
        right=month,
        owner=OWNER,
        unit="currency",
        description="amount above the customer's mean of 30 d",
        reason="what is unusual for this customer",
    )
    stolen = "amounts on a stolen card are a multiple of the owner's"
    return (
        _against(amount, month, "amount over the customer's earlier mean of 30 d", stolen),
        _against(amount, week, "amount over the customer's earlier mean of 7 d", stolen),
        _against(
            amount,
            before_a_fortnight,
            "amount over the mean of the time before the last 14 d",
            stolen,
        ),
        _against(
            largest,
            month,
            "largest amount of 14 d over the mean of 30 d",
            "the card may have been stolen before",
        ),
        _against(
            lately, usually, "mean of 7 d over the mean of 30 d", "spending that has changed lately"
        ),
        _against(
            excess,
            spread,
            "amount above the mean, in deviations",
            "what is unusual for this customer",
            0,
        ),
    )


def _terminal_past() -> tuple[Feature, ...]:
    """The terminal's known frauds at several distances: one that is compromised stays so for weeks,
    then is clean.
    """

    def labelled(kind: type[LabelCount | LabelRate], days: int) -> Feature:
        share = kind is LabelRate
        return kind(
            positive="fraud",
            entity="terminal",
            days=days,
            delay_days=LABEL_DELAY_DAYS,
            owner=OWNER,
            unit="share" if share else "transactions",
            description=(
                f"{'share of ' if share else ''}reported frauds at the terminal in {days} d,"
                f" ending {LABEL_DELAY_DAYS} d ago"
            ),
            reason="a compromised terminal stays compromised for weeks",
        )

    def risk(days: int) -> Feature:
        return LabelRate(
            positive="fraud",
            entity="terminal",
            days=days,
            delay_days=LABEL_DELAY_DAYS,
            owner=OWNER,
            unit="share",
            prior_weight=2.0,
            prior_rate=0.01,
            default=0.01,
            description=(
                f"share of reported frauds in {days} d, ending {LABEL_DELAY_DAYS} d ago, shrunk"
                " towards 1 %"
            ),
            reason="one fraud among two transactions says less than ten among twenty",
        )

    def largest(days: int) -> Feature:
        return WindowMax(
            entity="terminal",
            days=days,
            delay_days=LABEL_DELAY_DAYS,
            owner=OWNER,
            unit="currency",
            description=(
                f"largest amount at the terminal in {days} d, ending {LABEL_DELAY_DAYS} d ago"
            ),
            reason="a reported fraud with a large amount speaks of the card, not of the terminal",
        )

    return (
        *(labelled(LabelRate, days) for days in (3, 14)),
        *(risk(days) for days in (7, 30)),
        *(labelled(LabelCount, days) for days in (7, 14, 21, 30)),
        *(largest(days) for days in (7, 30)),
    )


EXTENDED = FeatureSet(
    name="extended",
    description=(
        "the baseline, amounts against the card's own past, and the terminal's past at several"
        " distances"
    ),
    schema=SCHEMA,
    features=(*BASELINE.features, *_spending(), *_terminal_past()),
)
