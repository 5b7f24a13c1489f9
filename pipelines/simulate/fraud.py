"""Who commits fraud: the handbook's three scenarios, and two that only an incident brings.

1. Every amount above 220.
2. Two terminals a day are compromised for 28 days: all their transactions.
3. Three customers a day lose their card's data for 14 days: a third of their transactions, with
   amounts times 5.
4. (`new-fraud`) A card is tested at night with many small amounts at terminals anywhere.
5. (`hidden-fraud`) Purchases that look like any other.

The numbers of scenarios 2 and 3 belong to a world of 10,000 terminals and 5,000 customers and grow
with its size, so that a small world has the same share of fraud (decision 0111).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from pipelines.simulate.world import Ints, Stream, World, WorldSize

SUSPECT_CENTS = 220_00
TERMINALS_A_DAY, TERMINAL_DAYS, USUAL_TERMINALS = 2, 28, 10_000
CUSTOMERS_A_DAY, CUSTOMER_DAYS, USUAL_CUSTOMERS = 3, 14, 5_000
STOLEN_SHARE, STOLEN_FACTOR = 1 / 3, 5
TESTS_A_CARD = (6, 13)
TEST_CENTS = (50, 5_00)
TEST_SECONDS = (1 * 3600, 5 * 3600)


def mark_scenarios(
    world: World, day: date, customer: Ints, terminal: Ints, cents: Ints
) -> npt.NDArray[np.int8]:
    """The scenario (int8; 0 is honest) of each transaction of a day; amounts of scenario 3 are
    changed in `cents`.
    """
    scenario = np.zeros(len(cents), dtype=np.int8)
    scenario[cents > SUSPECT_CENTS] = 1
    scenario[compromised_terminals(world.size, day)[terminal]] = 2
    stolen = compromised_customers(world.size, day)[customer]
    stolen &= world.size.stream(Stream.STOLEN_CARDS, day).random(len(cents)) < STOLEN_SHARE
    scenario[stolen] = 3
    cents[stolen] *= STOLEN_FACTOR
    return scenario


def hide_fraud(world: World, day: date, scenario: npt.NDArray[np.int8], share: float) -> None:
    """Scenario 5: mark `share` of the honest transactions, whatever they are like."""
    if share:
        chosen = world.size.stream(Stream.HIDDEN_FRAUD, day).random(len(scenario)) < share
        scenario[chosen & (scenario == 0)] = 5


def compromised_terminals(size: WorldSize, day: date) -> npt.NDArray[np.bool_]:
    """For each terminal whether it is compromised on that day."""
    a_day = TERMINALS_A_DAY * size.terminals / USUAL_TERMINALS
    return _chosen(size, Stream.COMPROMISED_TERMINALS, day, TERMINAL_DAYS, a_day, size.terminals)


def compromised_customers(size: WorldSize, day: date) -> npt.NDArray[np.bool_]:
    """For each customer whether the card's data is in wrong hands on that day."""
    a_day = CUSTOMERS_A_DAY * size.customers / USUAL_CUSTOMERS
    return _chosen(size, Stream.COMPROMISED_CUSTOMERS, day, CUSTOMER_DAYS, a_day, size.customers)


def _chosen(
    size: WorldSize, purpose: Stream, day: date, lasts: int, a_day: float, of: int
) -> npt.NDArray[np.bool_]:
    """Marks those that were drawn on that day or the `lasts` - 1 days before it, `a_day` of them on
    average a day.
    """
    marks = np.zeros(of, dtype=np.bool_)
    for before in range(lasts):
        stream = size.stream(purpose, day - timedelta(days=before))
        count = int(a_day + stream.random())
        marks[stream.choice(of, min(count, of), replace=False)] = True
    return marks


@dataclass(frozen=True)
class Tests:
    """The transactions of tested cards: int64 arrays of one length."""

    second: Ints
    customer: Ints
    terminal: Ints
    cents: Ints


def card_tests(world: World, day: date, share: float) -> Tests:
    """Scenario 4: `share` of the customers, each with a run of small amounts at night at terminals
    anywhere.
    """
    stream = world.size.stream(Stream.CARD_TESTING, day)
    cards = stream.choice(
        world.size.customers, round(share * world.size.customers), replace=False
    ).astype(np.int64)
    customer = np.repeat(cards, stream.integers(*TESTS_A_CARD, len(cards)))
    return Tests(
        second=stream.integers(*TEST_SECONDS, len(customer)),
        customer=customer,
        terminal=stream.integers(0, world.size.terminals, len(customer)),
        cents=stream.integers(*TEST_CENTS, len(customer)),
    )
