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


def ails(day: date, diagnosis: DiagnosisAccount) -> bool:
    """Whether something is wrong with the day's own data, features or scores."""
    return diagnosis.cause in _TROUBLE and diagnosis.subject_day == day


def falls_back(day: date, diagnosis: DiagnosisAccount, policy: WatchPolicy) -> bool:
    """Whether the rule is to decide from now on."""
    return ails(day, diagnosis) and diagnosis.cause in policy.fall_back_on


def calm_days(day: date, diagnoses: Mapping[date, DiagnosisAccount]) -> int:
    """How many days in a row up to `day` were judged and ailed nothing of their own."""
    count = 0
    while (earlier := day - timedelta(days=count)) in diagnoses and diagnoses[
        earlier
    ].cause != "unjudged":
        if ails(earlier, diagnoses[earlier]):
            break
        count += 1
    return count


def rolls_back(
    day: date,
    diagnosis: DiagnosisAccount,
    before: Mapping[date, DiagnosisAccount],
    decided: Mapping[date, str],
    policy: WatchPolicy,
) -> bool:
    """Whether the champion is to give way: the trouble of `day` began with the first day that it
    decided.

    `before` are the diagnoses of earlier days, `decided` which release decided each day. The day
    before its first must have been judged, and not have ailed in the same way.
    """
    if (
        not ails(day, diagnosis)
        or diagnosis.cause not in policy.roll_back_on
        or diagnosis.severity != "page"
    ):
        return False
    release = decided.get(day)
    own_days = sorted(
        earlier
        for earlier, release_id in decided.items()
        if release_id == release and earlier <= day
    )
    last = own_days[0] - timedelta(days=1) if own_days else day
    if last not in before or before[last].cause in ("unjudged", diagnosis.cause):
        return False
    return all(
        earlier == day or (earlier in before and before[earlier].cause == diagnosis.cause)
        for earlier in own_days
    )
