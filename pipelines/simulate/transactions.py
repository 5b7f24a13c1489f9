"""The transactions of one day of a world: a pure function of world, day and the day's effects."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from pipelines.simulate.fraud import card_tests, hide_fraud, mark_scenarios
from pipelines.simulate.incidents import Effects
from pipelines.simulate.world import Ints, Stream, World

NOON, SPREAD, DAY = 43_200.0, 20_000.0, 86_400
FIRST_DAY = date(2000, 1, 1)
IDS_A_DAY = 10_000_000


@dataclass(frozen=True)
class Transactions:
    """Transactions in order of time; arrays of one length.

    `transaction_id` int64, unique and growing with time; `event_time` datetime64[us], UTC, whole
    seconds; `customer_id` and `terminal_id` int64 from 0 on; `cents` int64; `scenario` int8, 0
    where honest.
    """

    transaction_id: Ints
    event_time: npt.NDArray[np.datetime64]
    customer_id: Ints
    terminal_id: Ints
    cents: Ints
    scenario: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.transaction_id)

    def __getitem__(self, rows: npt.NDArray[np.bool_] | Ints) -> Transactions:
        """Those rows (mask or positions)."""
        return Transactions(*(getattr(self, field.name)[rows] for field in fields(self)))


def first_id(day: date) -> int:
    """The id of a day's first transaction: ten million numbers are kept for each day since
    2000-01-01.
    """
    return (day - FIRST_DAY).days * IDS_A_DAY


def transactions_of(world: World, day: date, effects: Effects) -> Transactions:
    """The day's transactions; the same for the same world, day and effects, whatever other days
    hold.
    """
    stream = world.size.stream(Stream.TRANSACTIONS, day)
    counts = stream.poisson(world.daily_rate * effects.volume)
    second = stream.normal(NOON, SPREAD, counts.sum()).astype(np.int64)
    kept = (second > 0) & (second < DAY)
    customer, second = np.repeat(np.arange(world.size.customers), counts)[kept], second[kept]
    terminal = _terminals(world, customer, stream)
    cents = _cents(world, customer, stream)
    scenario = mark_scenarios(world, day, customer, terminal, cents)
    hide_fraud(world, day, scenario, effects.hidden_fraud)
    cents = np.rint(cents * effects.amounts).astype(np.int64)
    tests = card_tests(world, day, effects.tested_cards)
    scenario = np.concatenate([scenario, np.full(len(tests.second), 4, dtype=np.int8)])
    unordered = Transactions(
        transaction_id=np.full(len(scenario), first_id(day)),
        event_time=np.datetime64(day, "us")
        + np.concatenate([second, tests.second]).astype("timedelta64[s]"),
        customer_id=np.concatenate([customer, tests.customer]),
        terminal_id=np.concatenate([terminal, tests.terminal]),
        cents=np.concatenate([cents, tests.cents]),
        scenario=scenario,
    )
    ordered = unordered[np.argsort(unordered.event_time, kind="stable")]
    return replace(ordered, transaction_id=ordered.transaction_id + np.arange(len(ordered)))


def _terminals(world: World, customer: Ints, stream: np.random.Generator) -> Ints:
    """For each transaction one of the customer's terminals, all equally likely."""
    start = world.reach_start[customer]
    choices = world.reach_start[customer + 1] - start
    return world.reach[start + (stream.random(len(customer)) * choices).astype(np.int64)]


def _cents(world: World, customer: Ints, stream: np.random.Generator) -> Ints:
    """Amounts in cents: normal with half the mean as deviation, negative ones redrawn uniform up to
    twice the mean.
    """
    mean = world.mean_amount[customer]
    amount = stream.normal(mean, mean / 2)
    again = amount < 0
    amount[again] = stream.uniform(0, 2 * mean[again])
    return np.rint(amount * 100).astype(np.int64)
