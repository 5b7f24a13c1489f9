"""Incidents: what can go wrong or change on a day, as a table of effects that a day is simulated
with.

An incident is a name, a sentence, and the effects that differ from a usual day. `NAME:FROM:TO` on
the command line puts it on the days FROM to TO, both included; several may fall on one day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What a day is like; the defaults are a usual day. Shares are between 0 and 1."""

    volume: float = 1.0
    """factor on the number of transactions"""
    amounts: float = 1.0
    """factor on amounts, after fraud was decided: honest purchases may then exceed what used to
    mean fraud
    """
    tested_cards: float = 0.0
    """share of customers whose card is tested at night, many small amounts at terminals anywhere:
    scenario 4
    """
    hidden_fraud: float = 0.0
    """share of honest purchases that are fraud and look like any other: scenario 5"""
    flipped_labels: float = 0.0
    """share of the night's transactions (before 07:00 UTC) whose reports say the opposite of the
    truth
    """
    bad_rows: float = 0.0
    """rows that break the contract, added to the file (gzipped CSV then), as a share of the day's
    rows
    """
    late: float = 0.0
    """share of rows that come one or two days later, in that day's files"""
    repeated: float = 0.0
    """share of rows that are sent twice, in a second part file"""
    delivered: bool = True
    """whether the day's transactions arrive at all"""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A named kind of day."""

    name: str
    description: str
    effects: Effects


INCIDENTS: dict[str, Incident] = {
    incident.name: incident
    for incident in (
        Incident(
            name="holiday",
            description=(
                "people buy 1.8 times as often for 1.5 times as much; what is fraud does not change"
            ),
            effects=Effects(volume=1.8, amounts=1.5),
        ),
        Incident(
            name="new-fraud",
            description=(
                "a pattern never seen before: 1 % of cards are tested at night, many small amounts"
                " anywhere"
            ),
            effects=Effects(tested_cards=0.01),
        ),
        Incident(
            name="hidden-fraud",
            description=(
                "a pattern that no feature shows: 1 % of the purchases are fraud and look like any"
                " other"
            ),
            effects=Effects(hidden_fraud=0.01),
        ),
        Incident(
            name="bad-labels",
            description=(
                "5 % of the night's labels are flipped: fraud is not reported, honest purchases are"
            ),
            effects=Effects(flipped_labels=0.05),
        ),
        Incident(
            name="dirty-feed",
            description="bad rows of many kinds, 0.3 % of the day: few enough to be quarantined",
            effects=Effects(bad_rows=0.003),
        ),
        Incident(
            name="broken-feed",
            description=(
                "bad rows of many kinds, 3 % of the day: too many, the day is to be refused"
            ),
            effects=Effects(bad_rows=0.03),
        ),
        Incident(
            name="late",
            description="30 % of the rows come one or two days later",
            effects=Effects(late=0.3),
        ),
        Incident(
            name="duplicate",
            description="20 % of the rows are sent twice, in a second file",
            effects=Effects(repeated=0.2),
        ),
        Incident(
            name="missing",
            description=(
                "the day's transactions do not arrive (simulate the day again without it to send"
                " them)"
            ),
            effects=Effects(delivered=False),
        ),
    )
}


@dataclass(frozen=True)
class Scheduled:
    """An incident on certain days."""

    name: str
    days: DayRange


def parse_incident(text: str, within: DayRange) -> Scheduled:
    """An incident from `NAME:FROM:TO` (or `NAME:DAY`) on days `within` the simulated ones; raises
    `UsageError`.
    """
    name, *days = text.split(":")
    if name not in INCIDENTS or len(days) not in (1, 2):
        raise UsageError(
            "unknown incident" if name not in INCIDENTS else "an incident without its days",
            where=f"--incident {text}",
            expected=f"NAME:FROM:TO with one of {', '.join(INCIDENTS)}",
            found=repr(name if name not in INCIDENTS else text),
            next_step="`tollgate incidents` says what each does",
        )
    scheduled = Scheduled(name, DayRange.parse(days[0], days[-1]))
    if scheduled.days.first not in within or scheduled.days.last not in within:
        raise UsageError(
            "an incident lies outside the simulated days",
            where=f"--incident {text}",
            expected=f"days from {within.first} to {within.last}",
            found=str(scheduled.days),
            next_step="move the incident, or simulate more days",
        )
    return scheduled


def combined(names: Iterable[str]) -> Effects:
    """The effects of several incidents on one day: factors multiply, of shares the largest
    counts.
    """
    effects = [Effects(), *(INCIDENTS[name].effects for name in names)]
    return Effects(
        volume=prod(effect.volume for effect in effects),
        amounts=prod(effect.amounts for effect in effects),
        tested_cards=max(effect.tested_cards for effect in effects),
        hidden_fraud=max(effect.hidden_fraud for effect in effects),
        flipped_labels=max(effect.flipped_labels for effect in effects),
        bad_rows=max(effect.bad_rows for effect in effects),
        late=max(effect.late for effect in effects),
        repeated=max(effect.repeated for effect in effects),
        delivered=all(effect.delivered for effect in effects),
    )
