"""The gate on what was answered: within the policy passes, beyond it refuses and names cause and
feature.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.accounts.served import ServedAccount
from pipelines.training.evidence.served import served_holds
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.serving import ServingPolicy
from tests.accounts import served_account

POLICY = ServingPolicy()


def _figures(compared: int = 1000, **causes: int) -> ServedAccount:
    named = {name.replace("_", " "): count for name, count in causes.items()}
    total = sum(causes.values())
    return served_account(
        day="2026-11-10",
        compared=compared,
        mismatching=total,
        mismatch_share=total / compared,
        unexplained_share=causes.get("unexplained", 0) / compared,
        fallback_share=0.0,
        causes=named,
        by_feature={"amount": named} if causes else {},
    )


@pytest.mark.parametrize(
    ("causes", "outcome"),
    [
        ({}, "passed"),
        ({"later_event_first": 10}, "passed"),
        ({"later_event_first": 11}, "failed"),
        ({"unexplained": 1}, "failed"),
    ],
)
def test_what_the_policy_tolerates(causes: dict[str, int], outcome: str) -> None:
    check = served_holds(_figures(**causes), POLICY)
    assert (check.name, check.outcome, check.consequence) == ("served_parity", outcome, "refuse")
    assert check.found.startswith("2026-11-10: of 1,000 answers")
    assert check.subjects == (("amount",) if "unexplained" in causes else ())
    for cause in causes:
        assert cause.replace("_", " ") in check.found


def test_the_policy_of_today_judges_not_that_of_the_day_it_was_measured() -> None:
    figures = _figures(unexplained=1).replaced(
        reason="1 of 1,000 answers differ for no known cause: amount (1)"
    )
    assert "for no known cause: amount (1)" in served_holds(figures, POLICY).found
    assert served_holds(figures, replace(POLICY, unexplained_share=0.01)).outcome == "passed"


def test_where_nothing_was_served_nothing_is_held_up() -> None:
    check = served_holds(None, POLICY)
    assert (check.outcome, check.found) == (
        "not applicable",
        "nothing was served in the last 7 days",
    )


def test_the_policy_belongs_to_the_digest() -> None:
    lax = replace(USE_CASE, serving=replace(USE_CASE.serving, unexplained_share=1.0))
    assert lax.policy_digest != USE_CASE.policy_digest
