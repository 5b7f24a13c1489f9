"""Banks of the demo's size for the benchmark of uneventful fortnights: simulated, scored and
profiled without Spark.

As in the demo a day's list has a hundred places, cards that are known that morning are left out of
what a matured day was worth, and the watch begins with an empty memory on the day that the model
begins to score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.watch_worlds import LEAD_DAYS, STARTS, Watched, WatchedBank
from pipelines.base.days import DayRange
from pipelines.demo.demo import DemoPlan
from pipelines.simulate.day import DayPlan, simulate_day
from pipelines.training.candidate import Candidate
from pipelines.usecases.definition import UseCase
from pipelines.usecases.fraud import USE_CASE

DEMO = DemoPlan(STARTS)
FORTNIGHT = 14
WATCHED_DAYS = 2 * FORTNIGHT


def demo_use_case() -> UseCase:
    """The fraud use case as it is, without the search for parameters (which costs nine tenths of a
    training).
    """
    return replace(USE_CASE, model=replace(USE_CASE.model, search=()))


@dataclass(frozen=True)
class DemoBank(WatchedBank):
    """A bank of the demo's size; several share the model of the one that `learns`, which costs ten
    times a bank.
    """

    use_case: UseCase = USE_CASE
    customers: int = DEMO.customers
    terminals: int = DEMO.terminals
    learns: WatchedBank | None = None

    @cached_property
    def champion(self) -> Candidate:
        """The shared model, or one that learnt from this bank's own days."""
        return self.learns.champion if self.learns else super().champion

    def fortnights(self) -> Iterator[Watched]:
        """The first 28 days that the model scores, as the monitor meets them."""
        days = DayRange.of_length(STARTS, WATCHED_DAYS)
        frame, fraud = self.frame(days.widened(before=LEAD_DAYS))
        yield from self.watched(frame, fraud, since=days.first)

    @cached_property
    def reported_cards(self) -> pd.DataFrame:
        """`unit` and `reported_at` (UTC, without zone) of every fraud that may make a card known on
        a watched day.
        """
        reach = self.use_case.review.detected_days + self.use_case.label.delay_days + 1
        days = DayRange.of_length(STARTS, WATCHED_DAYS).widened(before=reach)
        made = [simulate_day(self.world, day, DayPlan()) for day in days]
        units = np.concatenate([getattr(day.events, self.use_case.review.unit) for day in made])
        reported = np.concatenate([day.reported_at for day in made])
        reported_rows = ~np.isnat(reported)
        return pd.DataFrame({"unit": units[reported_rows], "reported_at": reported[reported_rows]})

    def judged(self, frame: pd.DataFrame, day: date) -> NDArray[np.bool_]:
        """The rows of `frame` whose card had no fraud reported in the weeks before `day`."""
        end = pd.Timestamp(day)
        reported = self.reported_cards["reported_at"]
        lately = (reported < end) & (
            reported >= end - timedelta(days=self.use_case.review.detected_days)
        )
        units = self.reported_cards["unit"][lately].unique()
        return ~frame[self.use_case.review.unit].isin(units).to_numpy()
