"""One simulated day: its plan, what happens on it, when each fraud is reported, and which rows are
late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from pipelines.base.days import DayRange
from pipelines.landing.part_files import FileFormat
from pipelines.simulate.incidents import Effects, Scheduled, combined
from pipelines.simulate.reports import Reporting, reported_at
from pipelines.simulate.tables import Times
from pipelines.simulate.transactions import Transactions, transactions_of
from pipelines.simulate.world import Ints, Stream, World

_LATENESS_DAYS = (1, 2)


@dataclass(frozen=True)
class DayPlan:
    """How a day is simulated: its incidents by name, how fraud on it is reported, the format of its
    files.
    """

    incidents: tuple[str, ...] = ()
    reporting: Reporting = field(default_factory=Reporting)
    file_format: FileFormat = "parquet"

    @property
    def effects(self) -> Effects:
        """What the incidents do together."""
        return combined(self.incidents)


@dataclass(frozen=True)
class SimulatedDay:
    """The day's transactions, when a report of each comes (NaT: never), and by how many days each
    row is late.
    """

    day: date
    plan: DayPlan
    events: Transactions
    reported_at: Times
    lateness: Ints


def simulate_day(world: World, day: date, plan: DayPlan) -> SimulatedDay:
    """The same for the same world, day and plan, whatever else is simulated."""
    effects = plan.effects
    events = transactions_of(world, day, effects)
    stream = world.size.stream(Stream.LATENESS, day)
    late = stream.random(len(events)) < effects.late
    lateness = np.where(late, stream.integers(*_LATENESS_DAYS, len(events), endpoint=True), 0)
    return SimulatedDay(
        day, plan, events, reported_at(world.size, day, events, plan.reporting, effects), lateness
    )


def plan_days(
    days: DayRange, scheduled: Sequence[Scheduled], reporting: Reporting, file_format: FileFormat
) -> dict[date, DayPlan]:
    """A plan for each of `days`, with the incidents that fall on it in the order given, each
    once.
    """
    plans = {}
    for day in days:
        names = dict.fromkeys(incident.name for incident in scheduled if day in incident.days)
        plans[day] = DayPlan(tuple(names), reporting, file_format)
    return plans
