"""The world that transactions happen in: customers with habits and terminals, on a square of 100 by
100.

After the public specification of Le Borgne et al., *Reproducible Machine Learning for Credit Card
Fraud Detection*, chapter 2 (own code). Everything random comes from a stream of its own, named by
seed, purpose and day: a day's content depends on nothing but these, so days can be made in any
order and in any number of calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from pipelines.base.errors import UsageError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SIDE = 100.0
RADIUS = 5.0
CELLS_A_SIDE = int(SIDE / RADIUS)
_HOMES_AT_ONCE = 2_000
_MOST_PAIRS = 10_000_000_000
_LIMITS = {"customers": 1_000_000, "terminals": 1_000_000, "seed": 2**63 - 1}


class Stream(IntEnum):
    """Purposes of random numbers; each has its own stream, so one more draw in one changes nothing
    in another.
    """

    CUSTOMERS = 1
    TERMINALS = 2
    COMPROMISED_TERMINALS = 3
    COMPROMISED_CUSTOMERS = 4
    TRANSACTIONS = 5
    STOLEN_CARDS = 6
    REPORTS = 7
    CARD_TESTING = 8
    FLIPPED_LABELS = 9
    DIRT = 10
    DIRT_PLACES = 11
    LATENESS = 12
    REPEATS = 13
    HIDDEN_FRAUD = 14


@dataclass(frozen=True)
class WorldSize:
    """What decides a world: how many customers and terminals, and the seed. Raises `UsageError`."""

    customers: int = 5_000
    terminals: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, limit in _LIMITS.items():
            lowest, value = 0 if name == "seed" else 1, getattr(self, name)
            if not lowest <= value <= limit:
                raise UsageError(
                    f"--{name} is out of range",
                    expected=f"a whole number from {lowest} to {limit:,}",
                    found=f"{value}",
                    next_step=f"give another --{name}",
                )

        if self.customers * self.terminals > _MOST_PAIRS:
            raise UsageError(
                "the world is too large",
                expected=f"customers x terminals up to {_MOST_PAIRS:,}",
                found=f"{self.customers:,} x {self.terminals:,}",
                next_step="give fewer --customers or --terminals",
            )

    def stream(self, purpose: Stream, day: date | None = None) -> np.random.Generator:
        """The random numbers of a purpose, of one day or of the world as a whole."""
        return np.random.default_rng([self.seed, purpose, day.toordinal() if day else 0])


@dataclass(frozen=True)
class World:
    """Customers' habits, and the terminals that each of them uses.

    `mean_amount` (currency units) and `daily_rate` (transactions a day) have one float64 per
    customer. The terminals of customer c are `reach[reach_start[c]:reach_start[c + 1]]` (int64).
    """

    size: WorldSize
    mean_amount: Floats
    daily_rate: Floats
    reach_start: Ints
    reach: Ints


def build_world(size: WorldSize) -> World:
    """Mean amount U(5, 100), transactions a day U(0, 4), everybody uniform on the square."""
    customers = size.stream(Stream.CUSTOMERS)
    homes = customers.uniform(0, SIDE, (size.customers, 2))
    mean_amount = customers.uniform(5, 100, size.customers)
    daily_rate = customers.uniform(0, 4, size.customers)
    shops = size.stream(Stream.TERMINALS).uniform(0, SIDE, (size.terminals, 2))
    reach_start, reach = _within_reach(homes, shops)
    return World(size, mean_amount, daily_rate, reach_start, reach)


def _within_reach(homes: Floats, shops: Floats) -> tuple[Ints, Ints]:
    """For each home the shops less than RADIUS away (the nearest where there is none), as offsets
    and a flat list.
    """
    cell = _cell(shops)
    by_cell = np.argsort(cell, kind="stable")
    cell_start = np.searchsorted(cell[by_cell], np.arange(CELLS_A_SIDE**2 + 1))
    lists = []
    for first in range(0, len(homes), _HOMES_AT_ONCE):
        block = homes[first : first + _HOMES_AT_ONCE]
        owner, position = _candidates(block, cell_start)
        shop = by_cell[position]
        near = ((block[owner] - shops[shop]) ** 2).sum(axis=1) < RADIUS**2
        counts = np.bincount(owner[near], minlength=len(block))
        lists += np.split(shop[near], np.cumsum(counts)[:-1])
    lists = [
        near if len(near) else _nearest(home, shops)
        for near, home in zip(lists, homes, strict=True)
    ]
    return np.concatenate([[0], np.cumsum([len(near) for near in lists])]), np.concatenate(lists)


def _candidates(homes: Floats, cell_start: Ints) -> tuple[Ints, Ints]:
    """Positions (among shops sorted by cell) of all shops in the nine cells about each home, and
    whose they are.

    Cells are as wide as the radius and numbered row by row, so a home's candidates are three runs
    [start, end).
    """
    row, column = np.divmod(_cell(homes)[:, None], CELLS_A_SIDE)
    rows = row + np.array([-1, 0, 1])
    outside = (rows < 0) | (rows >= CELLS_A_SIDE)
    first_of_row = np.where(outside, 0, rows) * CELLS_A_SIDE
    starts = cell_start[first_of_row + np.maximum(column - 1, 0)]
    ends = cell_start[first_of_row + np.minimum(column + 1, CELLS_A_SIDE - 1) + 1]
    lengths = np.where(outside, 0, ends - starts).ravel()
    run = np.repeat(np.arange(len(lengths)), lengths)
    within_run = np.arange(len(run)) - (np.cumsum(lengths) - lengths)[run]
    return run // 3, starts.ravel()[run] + within_run


def _cell(points: Floats) -> Ints:
    row_and_column = np.minimum((points / RADIUS).astype(np.int64), CELLS_A_SIDE - 1)
    return row_and_column[:, 0] * CELLS_A_SIDE + row_and_column[:, 1]


def _nearest(home: Floats, shops: Floats) -> Ints:
    return np.array([((shops - home) ** 2).sum(axis=1).argmin()], dtype=np.int64)
