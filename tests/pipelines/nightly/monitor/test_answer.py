"""What is answered without a person: which causes, only the day's own trouble, calm days, releases
it began with.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from pipelines.accounts.monitor import DiagnosisAccount
from pipelines.nightly.monitor.diagnosis.remedies import calm_days, falls_back, rolls_back
from pipelines.usecases.policies.watch import WatchPolicy

DAY = date(2026, 11, 9)
POLICY = WatchPolicy(fall_back_on=("harmful",), roll_back_on=("bug",))


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def told(
    cause: str, day: date = DAY, *, subject: date | None = None, severity: str = "page"
) -> DiagnosisAccount:
    return DiagnosisAccount(cause=cause, severity=severity, subject_day=subject or day)


@pytest.mark.parametrize(
    "cause", ["well", "feed", "bug", "inputs", "harmful", "concept", "echo", "unjudged"]
)
def test_the_rule_stands_in_for_the_causes_of_the_policy_alone(cause: str) -> None:
    assert falls_back(DAY, told(cause), POLICY) == (cause == "harmful")
    assert not falls_back(DAY, told(cause), WatchPolicy()), "by default nothing is done"


def test_what_labels_say_of_an_earlier_day_changes_nobodys_tomorrow() -> None:
    assert not falls_back(DAY, told("harmful", subject=on(-7)), POLICY)


def test_calm_days_are_judged_days_in_a_row_without_trouble_of_their_own() -> None:
    days = {on(0): told("harmful", on(0)), on(1): told("echo", on(1)), on(2): told("well", on(2))}
    assert [calm_days(day, days) for day in days] == [0, 1, 2]
    assert calm_days(on(2), days | {on(1): told("harmful", subject=on(-6))}) == 2, "of a week ago"
    assert calm_days(on(2), days | {on(1): told("unjudged", on(1))}) == 1
    assert calm_days(on(3), days) == 0, "a day that nobody has watched"


def test_a_release_gives_way_that_the_trouble_began_with() -> None:
    before = {on(-1): told("well", on(-1)), on(0): told("bug", on(0)), on(1): told("bug", on(1))}
    decided = {on(-2): "old", on(-1): "old", on(0): "new", on(1): "new"}
    assert rolls_back(on(0), before[on(0)], before, decided, POLICY)
    assert rolls_back(on(1), before[on(1)], before, decided, POLICY), "on the second night as well"
    assert not rolls_back(on(0), before[on(0)], before, decided, replace(POLICY, roll_back_on=()))
    assert not rolls_back(on(0), told("bug", severity="ticket"), before, decided, POLICY)
    assert not rolls_back(on(0), told("feed"), before, decided, POLICY)


def test_a_release_stays_that_was_well_or_came_when_it_was_so_already() -> None:
    well_first = {
        on(-1): told("well", on(-1)),
        on(0): told("well", on(0)),
        on(1): told("bug", on(1)),
    }
    decided = {on(-1): "old", on(0): "new", on(1): "new"}
    assert not rolls_back(on(1), well_first[on(1)], well_first, decided, POLICY)
    already = {on(-1): told("bug", on(-1)), on(0): told("bug", on(0))}
    assert not rolls_back(on(0), already[on(0)], already, decided, POLICY)
    unknown = {on(0): told("bug", on(0))}
    assert not rolls_back(on(0), unknown[on(0)], unknown, decided, POLICY)
