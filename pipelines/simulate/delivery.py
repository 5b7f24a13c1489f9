"""Sends simulated days to the landing zone, as a bank would: transactions, fraud reports,
manifests.

Days are sent in order. Reports and late rows of earlier days come on the day they are due, also
when those days were simulated by an earlier call; days already sent that lie within a month after
the range are sent again, because what changed in the range may come due on them. So the files are a
function of the recorded plans, whatever the calls were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError
from pipelines.landing.landing import Landing
from pipelines.simulate.consignment import Consignment, consigned
from pipelines.simulate.day import DayPlan, SimulatedDay, simulate_day
from pipelines.simulate.reports import LONGEST_DELAY_DAYS
from pipelines.simulate.tables import EVENTS, LABELS
from pipelines.simulate.transactions import FIRST_DAY
from pipelines.simulate.transit import InTransit
from pipelines.simulate.truth import Truth
from pipelines.simulate.world import WorldSize, build_world


@dataclass(frozen=True)
class Sent:
    """What was sent for one day, and what really happened on it.

    `transactions` and `frauds` happened on the day. Its files hold `rows`: of these `bad` ones,
    `repeated` ones, and `late_in` ones of earlier days; `late_out` of the day's own come later.
    `requested` is False for a day after the range.
    """

    day: date
    requested: bool
    incidents: tuple[str, ...]
    transactions: int
    frauds: int
    rows: int
    bad: int
    repeated: int
    late_in: int
    late_out: int
    reports: int


def simulate(
    landing: Landing,
    truth_folder: Path,
    size: WorldSize,
    days: DayRange,
    plans: Mapping[date, DayPlan],
) -> Iterator[Sent]:
    """Simulate `days`, each by its plan (a usual day where it has none), and yield an account of
    each as it is sent.

    Raises `UsageError`, and `ConfigurationError` (the truth folder holds another world), before
    anything is written; `StoreError` where writing fails: the days before are complete then, and
    the same call again does the rest.
    """
    if days.first < FIRST_DAY:
        raise UsageError(
            "the simulated days begin too early",
            expected=f"a day from {FIRST_DAY} on",
            found=str(days.first),
            next_step="give a later --start",
        )
    truth = Truth(truth_folder, size)
    planned = truth.plans | {day: plans.get(day, DayPlan()) for day in days}
    world, in_transit = build_world(size), InTransit()
    for day in days.widened(before=LONGEST_DELAY_DAYS, after=LONGEST_DELAY_DAYS):
        if day not in planned:
            continue
        made = simulate_day(world, day, planned[day])
        in_transit.add(made)
        if day >= days.first:
            consignment = consigned(world, made, in_transit.rows_due(day))
            reports = in_transit.reports_due(day)
            _send(landing, truth, made, consignment, reports)
            yield _account(made, day in days, consignment, reports.num_rows)


def _send(
    landing: Landing,
    truth: Truth,
    made: SimulatedDay,
    consignment: Consignment | None,
    reports: Any,
) -> None:
    """Write the day's truth, its files, and then its plan, so that a plan is never recorded without
    its files.
    """
    truth.write(made)
    if consignment is None:
        landing.remove_day(EVENTS.name, made.day)
    else:
        landing.write_day(EVENTS.name, made.day, consignment.parts, consignment.file_format)
    landing.write_day(LABELS.name, made.day, [reports], made.plan.file_format)
    truth.record(made.day, made.plan)


def _account(
    made: SimulatedDay, requested: bool, consignment: Consignment | None, reports: int
) -> Sent:
    return Sent(
        day=made.day,
        requested=requested,
        incidents=made.plan.incidents,
        transactions=len(made.events),
        frauds=int((made.events.scenario > 0).sum()),
        rows=consignment.rows if consignment else 0,
        bad=consignment.bad if consignment else 0,
        repeated=consignment.repeated if consignment else 0,
        late_in=consignment.late if consignment else 0,
        late_out=int((made.lateness > 0).sum()),
        reports=reports,
    )
