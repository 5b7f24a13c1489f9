"""Fraud: card transactions, scored so that analysts review the hundred riskiest cards of each
day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from expectations.fraud import CHECKS
from features.fraud import BASELINE, EXTENDED, LABEL_DELAY_DAYS
from pipelines.usecases.definition import (
    Bound,
    Column,
    Feed,
    LabelPolicy,
    ModelPolicy,
    ReviewPolicy,
    RuleModel,
    UseCase,
)
from pipelines.usecases.policies.evidence import Band, EvidencePolicy, KeyGroup, Slice
from pipelines.usecases.policies.rollout import RolloutPolicy
from pipelines.usecases.policies.watch import DriftPolicy

_TRANSACTIONS = Feed(
    name="transactions",
    description=(
        "card transactions; the files of a day hold the events of that day, late rows may come"
        " later"
    ),
    columns=(
        Column(name="transaction_id", type="bigint", description="identifies the transaction"),
        Column(name="event_time", type="timestamp", description="when the card was used, UTC"),
        Column(name="customer_id", type="bigint", description="the holder of the card"),
        Column(name="terminal_id", type="bigint", description="the point of sale"),
        Column(
            name="amount",
            type="decimal(12,2)",
            description="amount, currency units",
            least=Bound(
                value=0, rule="amount_not_negative", description="amounts are never negative"
            ),
            most=Bound(
                value=100_000,
                rule="amount_plausible",
                description="no card pays more than 100,000 at once",
            ),
        ),
    ),
    key=("transaction_id",),
    time="event_time",
    row="transaction",
)

_FRAUD_REPORTS = Feed(
    name="fraud_reports",
    description=(
        "reports of fraud; a transaction without one is legitimate once the label delay has passed"
    ),
    columns=(
        Column(
            name="transaction_id", type="bigint", description="the transaction that was fraudulent"
        ),
        Column(
            name="reported_at", type="timestamp", description="when the fraud was reported, UTC"
        ),
    ),
    key=("transaction_id",),
    time="reported_at",
    row="report",
    repeated="a transaction is reported twice on a day",
)

_FEATURE_SETS = {"baseline": BASELINE, "extended": EXTENDED}

_MONOTONE = {
    "terminal_tx_count_1d": -1,
    "terminal_tx_count_7d": -1,
    "terminal_tx_count_30d": -1,
    "terminal_amount_max_7d": -1,
    "terminal_amount_max_30d": -1,
    "terminal_fraud_risk_7d": 1,
}
"""More traffic and larger amounts explain a terminal's reported frauds away; a higher rate of them
never does.
"""

_TERMINAL_GROUPS = 8

_LARGE_AMOUNT = 220
"""Beyond this the declared rule suspects a transaction."""


def _amount_slices(edges: Sequence[int]) -> Iterator[Slice]:
    """The amounts below the first edge, between each two, and above the last."""
    yield Slice(name=f"amount_below_{edges[0]}", where=(Band(column="amount", high=edges[0]),))
    for low, high in pairwise(edges):
        yield Slice(
            name=f"amount_{low}_to_{high}", where=(Band(column="amount", low=low, high=high),)
        )
    yield Slice(name=f"amount_above_{edges[-1]}", where=(Band(column="amount", low=edges[-1]),))


_SLICES = (
    *_amount_slices((25, 75, _LARGE_AMOUNT)),
    Slice(name="night", where=(Band(column="is_night", low=1),)),
    Slice(name="weekend", where=(Band(column="is_weekend", low=1),)),
    Slice(name="new_customers", where=(Band(column="customer_tx_count_30d", high=30),)),
    Slice(name="quiet_terminals", where=(Band(column="terminal_tx_count_30d", high=20),)),
    Slice(name="busy_terminals", where=(Band(column="terminal_tx_count_30d", low=40),)),
    *(
        Slice(
            name=f"terminals_{number + 1}_of_{_TERMINAL_GROUPS}",
            where=(KeyGroup(key="terminal_id", of=_TERMINAL_GROUPS, number=number),),
        )
        for number in range(_TERMINAL_GROUPS)
    ),
)
"""Terminal groups go by key: keys are handed out in blocks, so that a fault at one acquirer hits
neighbours.
"""

USE_CASE = UseCase(
    name="fraud",
    description="score card transactions and list the cards to review",
    owner="fraud-team",
    events=_TRANSACTIONS,
    labels=_FRAUD_REPORTS,
    label=LabelPolicy.of(_FRAUD_REPORTS, delay_days=LABEL_DELAY_DAYS),
    feature_sets=_FEATURE_SETS,
    checks=CHECKS,
    rule=RuleModel(
        column="amount",
        scale=2.0 * _LARGE_AMOUNT,
        threshold=0.5,
        description=f"amounts above {_LARGE_AMOUNT} are suspect",
    ),
    model=ModelPolicy(
        feature_set="extended",
        fixed={
            "num_boost_round": 100,
            "num_parallel_tree": 3,
            "max_bin": 1024,
            "max_depth": 5,
            "eta": 0.07,
            "subsample": 0.7,
            "colsample_bynode": 0.4,
            "min_child_weight": 3,
            "monotone_constraints": _MONOTONE,
        },
        search=({"gamma": 3}, {"gamma": 5, "lambda": 20}),
    ),
    review=ReviewPolicy(unit="customer_id", capacity=100),
    evidence=EvidencePolicy(slices=_SLICES),
    drift=DriftPolicy(method="wasserstein", threshold=0.15, score_threshold=0.15),
    rollout=RolloutPolicy(shadow_days=1, canary_days=2),
)
