"""What may be done about a day without a person: plain data in, what to do out.

A day's diagnosis is as the ledger keeps it. Only what ails the day itself is
answered: what matured labels say of an earlier one is no reason to change who decides tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from pipelines.accounts.monitor import DiagnosisAccount
from pipelines.usecases.policies.watch import WatchPolicy

_TROUBLE = ("feed", "bug", "harmful", "concept")


def ails(day: date, told: DiagnosisAccount) -> bool:
    """Whether something is wrong with the day's own data, features or scores."""
    return told.cause in _TROUBLE and told.subject_day == day


def falls_back(day: date, told: DiagnosisAccount, policy: WatchPolicy) -> bool:
    """Whether the rule is to decide from now on."""
    return ails(day, told) and told.cause in policy.fall_back_on


def calm_days(day: date, told: Mapping[date, DiagnosisAccount]) -> int:
    """How many days in a row up to `day` were judged and ailed nothing of their own."""
    count = 0
    while (then := day - timedelta(days=count)) in told and told[then].cause != "unjudged":
        if ails(then, told[then]):
            break
        count += 1
    return count


def rolls_back(
    day: date,
    told: DiagnosisAccount,
    before: Mapping[date, DiagnosisAccount],
    decided: Mapping[date, str],
    policy: WatchPolicy,
) -> bool:
    """Whether the champion is to give way: the trouble of `day` began with the first day that it
    decided.

    `before` are the diagnoses of earlier days, `decided` which release decided each day. The day
    before its first must have been judged, and not have ailed in the same way.
    """
    if not ails(day, told) or told.cause not in policy.roll_back_on or told.severity != "page":
        return False
    release = decided.get(day)
    mine = sorted(then for then, one in decided.items() if one == release and then <= day)
    last = mine[0] - timedelta(days=1) if mine else day
    if last not in before or before[last].cause in ("unjudged", told.cause):
        return False
    return all(
        then == day or (then in before and before[then].cause == told.cause) for then in mine
    )
