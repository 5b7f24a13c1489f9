"""Answers to what goes wrong: how soon it is noticed, how soon it is over, and whether an alert led
to anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pipelines.accounts.account import Account
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange, grouped, midnight
from pipelines.ledger.ledger import Incident, StageRecord
from pipelines.ops.day import incident_day
from pipelines.ops.facts import Facts
from pipelines.ops.measure import Measure, median_of, plural, share_of
from pipelines.ops.nights import scheduled_days

GROUP = "Incidents and alerts"
DETECT_HOURS = 8.0
"""A day's first sign is its own nightly run, done six hours after its end; two more for what
follows.
"""

MITIGATE_HOURS = 24.0
ACTED_SHARE = 0.5


def answer_measures(facts: Facts, history: Sequence[StageRecord[Account]]) -> list[Measure]:
    """Time to detect, time to mitigate, share of alerts that led to action."""
    days = [record.day for record in history]
    period = DayRange(min(days), max(days)) if days else None
    recent = [
        incident
        for incident in facts.incidents
        if period is None or (incident_day(incident) or incident.opened_at.date()) >= period.first
    ]
    return [_detect(recent, history), _mitigate(recent), _acted(facts, recent, history)]


def _detect(incidents: Sequence[Incident], history: Sequence[StageRecord[Account]]) -> Measure:
    scheduled = scheduled_days(history)
    hours = []
    for incident in incidents:
        day = incident_day(incident)
        if day and day in scheduled:
            after_the_day = incident.opened_at - midnight(day + timedelta(days=1))
            hours.append(after_the_day.total_seconds() / 3600)
    left = len(incidents) - len(hours)
    basis = f"median of {plural(len(hours), 'incident')}, from the end of the day that it is about"
    missing = "no incident is about a day that the schedule ran"
    return Measure(
        group=GROUP,
        name="Time to detect",
        unit="hours",
        value=median_of([max(0.0, hour) for hour in hours]),
        target=DETECT_HOURS,
        at_least=False,
        basis=(basis if hours else missing)
        + (f"; {left} about no day, or about one loaded later" if left else ""),
    )


def _mitigate(incidents: Sequence[Incident]) -> Measure:
    hours = [
        (incident.resolved_at - incident.opened_at).total_seconds() / 3600
        for incident in incidents
        if incident.resolved_at is not None
    ]
    still = sum(incident.resolved_at is None for incident in incidents)
    basis = f"median of {plural(len(hours), 'resolved incident')}; {still} still open"
    return Measure(
        group=GROUP,
        name="Time to mitigate",
        unit="hours",
        value=median_of(hours),
        target=MITIGATE_HOURS,
        at_least=False,
        basis=basis if hours else f"no incident has been resolved; {still} still open",
    )


def _acted(
    facts: Facts, incidents: Sequence[Incident], history: Sequence[StageRecord[Account]]
) -> Measure:
    """Alerts are incidents, and stretches of consecutive days beyond the drift policy.

    A stretch led to action where a training was asked for within it; an incident where somebody or
    something closed it with a resolution, or where the pointer moved in the hour around its opening
    (a rollback, a withdrawal).
    """
    newest = {
        record.day: record.account
        for record in history
        if isinstance(record.account, MonitorAccount) and record.status == "done"
    }
    drifted = {day for day, account in newest.items() if account.drift and account.drift.detected}
    asking = {day for day, account in newest.items() if account.asks_for_training}
    stretches = grouped(drifted)
    acted = sum(any(day in asking for day in stretch) for stretch in stretches)
    answered = sum(bool(incident.resolution) or _moved(facts, incident) for incident in incidents)
    total = len(stretches) + len(incidents)
    basis = (
        f"{acted} of {plural(len(stretches), 'stretch')} of drift asked for a training, "
        f"{answered} of {plural(len(incidents), 'incident')} led to a move or a resolution"
    ).replace("1 stretches", "1 stretch")
    return Measure(
        group=GROUP,
        name="Alerts that led to action",
        unit="share",
        value=share_of(acted + answered, total),
        target=ACTED_SHARE,
        basis=basis if total else "there was no alert",
    )


def _moved(facts: Facts, incident: Incident) -> bool:
    near = timedelta(hours=1)
    kinds = {"rollback", "withdraw"}
    return any(
        move.kind in kinds and abs(move.at - incident.opened_at) <= near for move in facts.moves
    )
