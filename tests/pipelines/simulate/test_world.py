"""The world follows the public specification: reach, habits, volumes, hours, amounts, shares of
fraud.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.simulate.fraud import compromised_customers, compromised_terminals
from pipelines.simulate.incidents import Effects
from pipelines.simulate.transactions import transactions_of
from pipelines.simulate.world import RADIUS, SIDE, Stream, WorldSize, build_world
from tests.pipelines.simulate.worlds import day


@pytest.mark.parametrize(
    "size", [WorldSize(2_500, 700, 1), WorldSize(40, 3, 2), WorldSize(1, 1, 3)]
)
def test_reach_equals_a_plain_search_of_all_pairs(size: WorldSize) -> None:
    world = build_world(size)
    homes = size.stream(Stream.CUSTOMERS).uniform(0, SIDE, (size.customers, 2))
    shops = size.stream(Stream.TERMINALS).uniform(0, SIDE, (size.terminals, 2))
    for customer, home in enumerate(homes):
        distance = np.hypot(*(shops - home).T)
        expected = (
            np.flatnonzero(distance < RADIUS) if (distance < RADIUS).any() else [distance.argmin()]
        )
        reached = world.reach[world.reach_start[customer] : world.reach_start[customer + 1]]
        assert sorted(reached) == list(expected)


@pytest.fixture(scope="module")
def month() -> pd.DataFrame:
    """Thirty usual days of a world of the usual size."""
    world = build_world(WorldSize(seed=11))
    frames = []
    for number in range(30):
        events = transactions_of(world, day(number), Effects())
        columns = {
            "time": events.event_time,
            "customer": events.customer_id,
            "terminal": events.terminal_id,
        }
        frames.append(
            pd.DataFrame(columns | {"amount": events.cents / 100, "scenario": events.scenario})
        )
    return pd.concat(frames)


def test_volume_is_two_transactions_a_customer_less_those_beyond_midnight(
    month: pd.DataFrame,
) -> None:
    assert len(month) / 30 == pytest.approx(5_000 * 2 * 0.969, rel=0.02)


def test_times_are_normal_about_noon(month: pd.DataFrame) -> None:
    seconds = (month.time - month.time.dt.normalize()).dt.total_seconds()
    assert seconds.mean() == pytest.approx(43_200, abs=200)
    assert seconds.std() == pytest.approx(18_194, rel=0.01)  # 20,000, cut off at both midnights
    assert seconds.between(1, 86_399).all()


def test_honest_amounts_follow_the_customers_mean(month: pd.DataFrame) -> None:
    world = build_world(WorldSize(seed=11))
    honest = month[month.scenario == 0]
    ratio = honest.amount / world.mean_amount[honest.customer]
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert ratio.std() == pytest.approx(0.47, abs=0.03)
    assert honest.amount.between(0, 220).all()


def test_each_scenario_is_what_it_says(month: pd.DataFrame) -> None:
    world = build_world(WorldSize(seed=11))
    assert (month[month.scenario == 1].amount > 220).all()
    stolen = month[month.scenario == 3]
    assert (stolen.amount / world.mean_amount[stolen.customer]).mean() == pytest.approx(5, abs=0.3)
    last = month[month.time.dt.date == day(29)]
    bad_terminals = compromised_terminals(world.size, day(29))
    assert bad_terminals.sum() == pytest.approx(56, abs=2)
    assert (last[bad_terminals[last.terminal]].scenario >= 2).all()
    bad_customers = compromised_customers(world.size, day(29))
    assert bad_customers.sum() == pytest.approx(42, abs=2)
    assert set(last[last.scenario == 3].customer) <= set(np.flatnonzero(bad_customers))


def test_shares_of_fraud_are_the_handbooks(month: pd.DataFrame) -> None:
    shares = month.scenario.value_counts(normalize=True)
    assert shares[1] == pytest.approx(0.0006, abs=0.0003)
    assert shares[2] == pytest.approx(0.0055, abs=0.0010)
    assert shares[3] == pytest.approx(0.0028, abs=0.0008)


def test_a_small_world_has_the_same_share_of_fraud() -> None:
    world = build_world(WorldSize(customers=1_000, terminals=2_000, seed=4))
    scenarios = np.concatenate(
        [transactions_of(world, day(number), Effects()).scenario for number in range(90)]
    )
    assert 0.006 < (scenarios > 0).mean() < 0.013


def test_another_seed_is_another_world() -> None:
    first, other = (
        transactions_of(build_world(WorldSize(300, 500, seed)), day(0), Effects())
        for seed in (1, 2)
    )
    assert set(zip(first.customer_id, first.cents, strict=True)) != set(
        zip(other.customer_id, other.cents, strict=True)
    )
