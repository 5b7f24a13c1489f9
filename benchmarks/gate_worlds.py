"""Worlds for the gate's benchmark: one small bank for each seed, and what can be wrong with the
data of a training.

Everything is in memory: the simulator's days, the features by the one kernel, no Spark. A damage is
a function of a training frame; it changes what a training sees, never what really happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from features.definition import LabelCount, LabelRate
from pipelines.base.days import DayRange, midnight
from pipelines.drills.simulated_frame import SimulatedFrame, simulated_frame
from pipelines.simulate.day import DayPlan
from pipelines.simulate.fraud import USUAL_CUSTOMERS
from pipelines.simulate.world import World, WorldSize, build_world
from pipelines.training.candidate import Candidate, make_candidate, training_days, training_split
from pipelines.training.frames import labels_at, rows_of
from pipelines.training.golden_store import LABEL, GoldenSet, declaration_digests
from pipelines.usecases.definition import UseCase
from pipelines.usecases.fraud import USE_CASE

AS_OF = date(2026, 11, 9)
CHAMPION_AS_OF = AS_OF - timedelta(days=7)
OLD_CHAMPION_AS_OF = AS_OF - timedelta(days=28)
CUSTOMERS, TERMINALS = 5_000, 10_000
GOLDEN_DAYS, GOLDEN_ONE_IN = 14, 7
QUICK = {"num_boost_round": 40, "num_parallel_tree": 1, "eta": 0.15}
"""Fewer and faster rounds than a release has, so that hundreds of models can be fitted; nothing is
searched.
"""

Damage = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def bench_use_case() -> UseCase:
    """The fraud use case with its own policy, but a model that is fitted in a second and people for
    a small bank.
    """
    model = replace(USE_CASE.model, search=(), fixed={**USE_CASE.model.fixed, **QUICK})
    capacity = USE_CASE.review.capacity * CUSTOMERS // USUAL_CUSTOMERS
    return replace(USE_CASE, model=model, review=replace(USE_CASE.review, capacity=capacity))


@dataclass(frozen=True)
class BenchWorld:
    """One bank; its frames hold every stored feature of all days."""

    seed: int
    use_case: UseCase
    made: dict[date, Candidate] = field(default_factory=dict)

    @cached_property
    def world(self) -> World:
        """Customers and terminals."""
        return build_world(WorldSize(CUSTOMERS, TERMINALS, self.seed))

    @cached_property
    def days(self) -> DayRange:
        """Every day that a training here may look at, and before them those of the golden set."""
        oldest = training_split(self.use_case, OLD_CHAMPION_AS_OF).history(
            self.use_case.model.history_days
        )
        return DayRange(oldest.first - timedelta(days=GOLDEN_DAYS), AS_OF - timedelta(days=1))

    @cached_property
    def golden(self) -> GoldenSet:
        """Cases of usual days before all trainings, whole cards, as `tollgate golden freeze` takes
        them.
        """
        days = DayRange.of_length(self.days.first, GOLDEN_DAYS)
        rows = rows_of(self.usual, days)
        taken = rows[rows["customer_id"] % GOLDEN_ONE_IN == 0].reset_index(drop=True)
        label = labels_at(taken, self.use_case, midnight(AS_OF))
        manifest = {"features": declaration_digests(self.use_case.stored_features)}
        return GoldenSet(
            version="bench", digest="", manifest=manifest, cases=taken.assign(**{LABEL: label})
        )

    def seen(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The part of a frame that a training as of today reads."""
        return rows_of(frame, training_days(self.use_case, AS_OF))

    @cached_property
    def usual(self) -> pd.DataFrame:
        """Usual days, correct labels."""
        return self.frame({})

    @cached_property
    def new_fraud(self) -> pd.DataFrame:
        """The same days, with a pattern of fraud that came three weeks before the newest training
        began.
        """
        return self.frame(dict.fromkeys(self.days, DayPlan(("new-fraud",))))

    def frame(self, plans: Mapping[date, DayPlan]) -> pd.DataFrame:
        """The training frame of these plans."""
        return self.simulated(self.days, plans).frame

    def simulated(self, days: DayRange, plans: Mapping[date, DayPlan]) -> SimulatedFrame:
        """Any days of this bank."""
        return simulated_frame(
            self.world, days, self.use_case, self.use_case.stored_features, plans
        )

    def sound(self, as_of: date) -> Candidate:
        """A model as of a day that learnt from usual days; made once."""
        if as_of not in self.made:
            self.made[as_of] = self.candidate(self.usual, as_of)
        return self.made[as_of]

    def candidate(
        self, frame: pd.DataFrame, as_of: date = AS_OF, seed: int | None = None
    ) -> Candidate:
        """A model as of a day (with another seed where one is given)."""
        policy = self.use_case.model if seed is None else replace(self.use_case.model, seed=seed)
        return make_candidate(frame, replace(self.use_case, model=policy), as_of)


def night(frame: pd.DataFrame) -> pd.Series:
    """Transactions of the night."""
    return frame["is_night"] > 0


def weekend(frame: pd.DataFrame) -> pd.Series:
    """Transactions of the weekend."""
    return frame["is_weekend"] > 0


def large(frame: pd.DataFrame) -> pd.Series:
    """Amounts of a hundred and more."""
    return frame["amount"] >= 100


def everywhere(frame: pd.DataFrame) -> pd.Series:
    """Every transaction."""
    return frame["amount"] >= 0


def unreported(share: float, where: Callable[[pd.DataFrame], pd.Series]) -> Damage:
    """A share of the frauds in a slice is never reported."""

    def damage(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        lost = where(frame) & frame["reported_at"].notna() & (random.random(len(frame)) < share)
        return frame.assign(reported_at=frame["reported_at"].where(~lost))

    return damage


def accused(share: float, where: Callable[[pd.DataFrame], pd.Series]) -> Damage:
    """A share of the honest transactions in a slice is reported after seven days."""

    def damage(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        wrong = where(frame) & frame["reported_at"].isna() & (random.random(len(frame)) < share)
        reported = frame["event_time"] + timedelta(days=USE_CASE.label.delay_days)
        return frame.assign(reported_at=frame["reported_at"].where(~wrong, reported))

    return damage


def without_terminal_reports(frame: pd.DataFrame, _random: np.random.Generator) -> pd.DataFrame:
    """The feature job saw no reports: every feature made of labels is at its default."""
    labelled = [
        f for f in USE_CASE.stored_features.features if isinstance(f, LabelCount | LabelRate)
    ]
    return frame.assign(**{feature.name: feature.default for feature in labelled})


def few_customers(one_in: int) -> Damage:
    """The training sees one in so many customers."""

    def damage(frame: pd.DataFrame, _random: np.random.Generator) -> pd.DataFrame:
        return frame[frame["customer_id"] % one_in == 0]

    return damage


def since(day: date, damage: Damage) -> Damage:
    """The same damage, from a day on only."""

    def damaged(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        late = frame["day"] >= pd.Timestamp(day)
        return frame.assign(
            reported_at=damage(frame, random)["reported_at"].where(late, frame["reported_at"])
        )

    return damaged
