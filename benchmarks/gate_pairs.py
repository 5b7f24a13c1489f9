"""Pairs of champion and candidate: for each bank one that should be worse, an equal one, and one
that should be better.

What was meant is not what counts: whether a candidate is worse is measured
(`benchmarks.gate_truth`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from benchmarks.gate_worlds import (
    AS_OF,
    CHAMPION_AS_OF,
    OLD_CHAMPION_AS_OF,
    BenchWorld,
    Damage,
    accused,
    everywhere,
    few_customers,
    large,
    night,
    since,
    unreported,
    weekend,
    without_terminal_reports,
)
from pipelines.simulate.day import DayPlan
from pipelines.training.candidate import Candidate

BUG_AGES = (28, 35)
"""How many days ago a bug in the logs began: the last one or two of four training weeks, delay and
test days have it.

Trainings are weekly: a bug that is older than that was there for the gate to see in an earlier
candidate.
"""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A candidate and the champion that it would replace; `frame` is what the gate knows,
    `condition` where they go.
    """

    kind: str
    bank: BenchWorld
    frame: pd.DataFrame
    candidate: Candidate
    champion: Candidate
    condition: str = "usual"


@dataclass(frozen=True)
class Kind:
    """A damage to the training data that the simulator can do; `trap`: the test days' labels are
    damaged alike.
    """

    name: str
    damage: Damage | None = None
    condition: str = "usual"
    trap: bool = False
    incident: str = ""
    poor_champion: bool = False


KINDS = (
    Kind("30 % of frauds unreported", unreported(0.3, everywhere)),
    Kind("trap: night's labels flipped, test too", incident="bad-labels", trap=True),
    Kind("features of reports missing", without_terminal_reports),
    Kind("slice: night's frauds unreported", unreported(1.0, night), poor_champion=True),
    Kind("70 % of frauds unreported", unreported(0.7, everywhere)),
    Kind("trap: night's frauds unreported, test too", unreported(1.0, night), trap=True),
    Kind("stale: trained before a new fraud", condition="new-fraud"),
    Kind("slice: weekend's frauds unreported", unreported(1.0, weekend), poor_champion=True),
    Kind("20 % of honest reported", accused(0.2, everywhere)),
    Kind("trap: weekend's honest reported, test too", accused(0.2, weekend), trap=True),
    Kind("few data: 1 customer in 8", few_customers(8)),
    Kind("slice: large frauds unreported", unreported(1.0, large), poor_champion=True),
)


def pairs_of(bank: BenchWorld, number: int) -> Iterator[Pair]:
    """The pairs of one bank: two damages against sound models, the same the other way round, and an
    equal pair.
    """
    length = len(KINDS)
    for kind in (KINDS[number % length], KINDS[(number + 3 + number // length) % length]):
        yield from _trapped(bank, kind) if kind.trap else _damaged(bank, kind)
    if number % 2:
        older, what = bank.sound(CHAMPION_AS_OF), "same data, a week newer"
    else:
        older, what = bank.candidate(bank.usual, seed=bank.seed), "same data, another seed"
    yield Pair(kind=what, bank=bank, frame=bank.usual, candidate=bank.sound(AS_OF), champion=older)


def _damaged(bank: BenchWorld, kind: Kind) -> Iterator[Pair]:
    """The damage is in what the training saw; the days on which both are judged are as they
    were.
    """
    stale = kind.condition == "new-fraud"
    clean = bank.new_fraud if stale else bank.usual
    sound = (lambda as_of: bank.candidate(clean, as_of)) if stale else bank.sound
    hurt = _hurt(bank, kind, clean)
    champion = (
        bank.candidate(few_customers(4)(clean, _random(bank)), CHAMPION_AS_OF)
        if kind.poor_champion
        else None
    )
    facts = {"bank": bank, "frame": clean, "condition": kind.condition}
    yield Pair(
        kind=kind.name,
        candidate=bank.candidate(hurt),
        champion=champion or sound(CHAMPION_AS_OF),
        **facts,
    )
    yield Pair(
        kind=f"cured: {kind.name}",
        candidate=sound(AS_OF),
        champion=bank.candidate(hurt, CHAMPION_AS_OF),
        **facts,
    )


def _hurt(bank: BenchWorld, kind: Kind, clean: pd.DataFrame) -> pd.DataFrame:
    """What the damaged training sees."""
    if kind.condition == "new-fraud":
        return bank.usual
    assert kind.damage is not None
    return kind.damage(clean, _random(bank))


def _trapped(bank: BenchWorld, kind: Kind) -> Iterator[Pair]:
    """The bug is in the candidate's train days and in the days on which both are judged; the
    champion is older.
    """
    first = AS_OF - timedelta(days=BUG_AGES[bank.seed % len(BUG_AGES)])
    if kind.incident:
        bug = [day for day in bank.days if day >= first]
        seen = bank.frame(dict.fromkeys(bug, DayPlan((kind.incident,))))
    else:
        assert kind.damage is not None
        seen = since(first, kind.damage)(bank.usual, _random(bank))
    champion = bank.sound(OLD_CHAMPION_AS_OF)
    yield Pair(
        kind=kind.name, bank=bank, frame=seen, candidate=bank.candidate(seen), champion=champion
    )


def _random(bank: BenchWorld) -> np.random.Generator:
    return np.random.default_rng([bank.seed, 77])
