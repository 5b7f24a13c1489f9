"""Scorecard: what a manager asks for, from ledger and declarations, with targets; nothing is
estimated or made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, groupby
from typing import Any

from pipelines.accounts.account import Account
from pipelines.airflow.names import CHAIN
from pipelines.ledger.ledger import StageRecord
from pipelines.ops.answers import answer_measures
from pipelines.ops.changes import change_measures
from pipelines.ops.cost import cost_measures
from pipelines.ops.coverage import coverage_measures
from pipelines.ops.facts import SCORED_DAYS, Facts, counted_results
from pipelines.ops.measure import Measure, plural, share_of
from pipelines.ops.nights import nights


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the measures should reach; their reasons are in
    `docs/decisions/0221-scorecard-targets.md`.
    """

    night_success: float = 0.99
    night_on_time: float = 0.95
    quality: float = 0.99


TARGETS = Targets()


def scorecard_content(facts: Facts) -> dict[str, Any]:
    """The measures by group, over the newest days of the ledger."""
    measures = scorecard(facts)
    deadline = facts.use_case.schedule.deadline(CHAIN[-1])
    return {
        "groups": [
            (name, list(members))
            for name, members in groupby(measures, key=lambda measure: measure.group)
        ],
        "period": facts.back(SCORED_DAYS),
        "deadline_hours": deadline.total_seconds() / 3600,
    }


def scorecard(facts: Facts) -> list[Measure]:
    """Every measure, those of a group together."""
    period = facts.back(SCORED_DAYS)
    history = facts.history(period) if period else []
    return [
        *night_measures(history, facts.use_case.schedule.deadline(CHAIN[-1])),
        *quality_measures(history),
        *answer_measures(facts, history),
        *change_measures(facts),
        *coverage_measures(facts, history),
        *cost_measures(history),
    ]


def night_measures(history: Sequence[StageRecord[Account]], deadline: timedelta) -> list[Measure]:
    """How often the nightly run ended well, and within `deadline` of the end of its day (00:00
    UTC).
    """
    counted = nights(history)
    none = "no night was run by the schedule yet: days loaded by hand or by a backfill do not count"
    of_nights = f"of {plural(len(counted), 'night')} of the schedule"
    good, first = sum(night.good for night in counted), sum(night.first_try for night in counted)
    timely = sum(night.on_time(deadline) for night in counted)
    group = "Nightly run"
    hours, minutes = divmod(int(deadline.total_seconds()) // 60, 60)
    return [
        Measure(
            group=group,
            name="Nights that ended well",
            unit="share",
            value=share_of(good, len(counted)),
            target=TARGETS.night_success,
            basis=f"{good} {of_nights}; {first} of them at the first try" if counted else none,
        ),
        Measure(
            group=group,
            name=f"Nights done by {hours:02}:{minutes:02} UTC",
            unit="share",
            value=share_of(timely, len(counted)),
            target=TARGETS.night_on_time,
            basis=f"{timely} {of_nights}" if counted else none,
        ),
    ]


def quality_measures(history: Sequence[StageRecord[Account]]) -> list[Measure]:
    """How many of the checks on data held."""
    results = list(chain.from_iterable(map(counted_results, history)))
    checks = sum(result.checks or 0 for result in results)
    failed = sum(len(result.failures) for result in results)
    refused = sum(not result.passed for result in results)
    return [
        Measure(
            group="Data quality",
            name="Checks that held",
            unit="share",
            value=share_of(checks - failed, checks),
            target=TARGETS.quality,
            basis=(
                f"{checks - failed:,} of {checks:,} checks in {plural(len(results), 'gate')};"
                f" {refused} refused"
                if checks
                else "no gate has run on these days"
            ),
        )
    ]
