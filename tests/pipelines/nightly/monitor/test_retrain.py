"""The retrain decision, by example and by property."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.nightly.monitor.diagnosis.retrain import decide, hurts
from pipelines.usecases.policies.watch import DriftPolicy, WatchPolicy

START = date(2026, 11, 2)


def day(number: int) -> date:
    return START + timedelta(days=number)


def nights(drift: list[bool], policy: DriftPolicy, order: list[int] | None = None) -> set[int]:
    """The days on which a training is asked for when the days are run in `order` (as they come, by
    default).
    """
    drifted: dict[date, bool] = {}
    dates: set[date] = set()
    for number in order if order is not None else range(len(drift)):
        drifted[day(number)] = drift[number]
        if decide(day(number), drifted, dates, policy).asked:
            dates.add(day(number))
    return {(when - START).days for when in dates}


def test_one_drifted_day_asks_and_the_cool_down_holds_the_next_ones_back() -> None:
    assert nights(
        [False, True, True, True, False], DriftPolicy(confirm_days=1, cooldown_days=7)
    ) == {1}
    assert nights([True] * 16, DriftPolicy(confirm_days=1, cooldown_days=7)) == {0, 7, 14}


def test_confirmation_takes_days_in_a_row() -> None:
    policy = DriftPolicy(confirm_days=3, cooldown_days=7)
    assert nights([True, True, False, True, True, True, True], policy) == {5}
    decision = decide(day(1), {day(0): False, day(1): True}, set(), policy)
    assert decision.reason == "drift is not confirmed yet: 1 of the last 3 days"


def test_the_reason_carries_the_evidence() -> None:
    decision = decide(day(0), {day(0): True}, set(), DriftPolicy(), summary="amount moved")
    assert (decision.asked, decision.reason) == (True, "drift on 2026-11-02: amount moved")
    held = decide(day(3), {day(3): True}, {day(0)}, DriftPolicy(cooldown_days=7))
    assert held.reason == "cool-down of 7 days: a training was asked for on 2026-11-02"


def test_k_of_n_days_confirm_and_a_cap_calls_a_person() -> None:
    drifted = {day(0): True, day(1): False, day(2): True}
    policy = DriftPolicy(confirm_days=2, cooldown_days=1)
    assert not decide(day(2), drifted, set(), policy).asked, "not in a row"
    two_of_three = WatchPolicy(retrain_of=3, retrain_cap=2, retrain_cap_days=10)
    assert decide(day(2), drifted, set(), policy, watch=two_of_three).asked
    capped = decide(day(2), drifted, {day(-3), day(-5)}, policy, watch=two_of_three)
    assert capped.reason == "2 trainings were asked for in 10 days: a person has to look"
    assert decide(day(2), drifted, {day(-3), day(-8)}, policy, watch=two_of_three).asked


def test_only_drift_that_hurts_or_that_nothing_explains_counts() -> None:
    assert hurts("harmful", drift_detected=False)
    assert hurts("unjudged", drift_detected=True)
    assert not any(
        hurts(cause, drift_detected=True) for cause in ("feed", "bug", "concept", "inputs", "echo")
    )
    assert not hurts("well", drift_detected=False)


POLICIES = st.builds(DriftPolicy, confirm_days=st.integers(1, 4), cooldown_days=st.integers(1, 10))
DRIFTS = st.lists(st.booleans(), min_size=1, max_size=30)


@given(DRIFTS, POLICIES)
def test_requests_are_confirmed_and_apart(drift: list[bool], policy: DriftPolicy) -> None:
    days_asked = sorted(nights(drift, policy))
    for number in days_asked:
        assert number + 1 >= policy.confirm_days
        assert all(drift[number - policy.confirm_days + 1 : number + 1])
    assert all(later - earlier >= policy.cooldown_days for earlier, later in pairwise(days_asked))


@given(DRIFTS, POLICIES)
def test_drift_that_lasts_is_not_overlooked(drift: list[bool], policy: DriftPolicy) -> None:
    days_asked = nights(drift, policy)
    for last in range(policy.confirm_days - 1, len(drift)):
        if all(drift[last - policy.confirm_days + 1 : last + 1]):
            assert any(last - policy.cooldown_days < number <= last for number in days_asked)


@given(DRIFTS, POLICIES, st.randoms())
def test_days_that_run_out_of_order_never_ask_too_often(
    drift: list[bool], policy: DriftPolicy, random
) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(drift)))
    random.shuffle(order)
    days_asked = sorted(nights(drift, policy, order))
    assert all(later - earlier >= policy.cooldown_days for earlier, later in pairwise(days_asked))


@given(DRIFTS, POLICIES)
def test_running_a_day_again_decides_the_same(drift: list[bool], policy: DriftPolicy) -> None:
    days_asked = {day(number) for number in nights(drift, policy)}
    drifted = {day(number): value for number, value in enumerate(drift)}
    for number in range(len(drift)):
        seen = {when: value for when, value in drifted.items() if when <= day(number)}
        before = {when for when in days_asked if when <= day(number)}
        assert decide(day(number), seen, before, policy).asked == (day(number) in days_asked)
