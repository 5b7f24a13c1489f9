"""One day watched: its profile, the trusted days before it and what has matured, brought together
into a diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from pipelines.accounts.performance import Worth
from pipelines.nightly.monitor.diagnosis.causes import Cause
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis, Memory, diagnose
from pipelines.nightly.monitor.drift.reading import read
from pipelines.nightly.monitor.performance.matured import fallen
from pipelines.nightly.monitor.profile import DayProfile
from pipelines.nightly.monitor.signals import Past
from pipelines.usecases.policies.watch import WatchPolicy

UNTRUSTED: frozenset[Cause] = frozenset({"feed", "bug"})
"""Days that were found to be these are no measure of what is usual."""
ODD: frozenset[Cause] = frozenset({"inputs", "harmful"})
"""Days that were found to be these are no measure of how far usual days are from each other."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the days before: their profiles, what was found of them, and what matured
    days were worth.
    """

    profiles: Mapping[date, DayProfile] = field(default_factory=dict)
    causes: Mapping[date, Cause] = field(default_factory=dict)
    worths: Mapping[date, Worth] = field(default_factory=dict)

    def trusted(self, day: date, policy: WatchPolicy) -> Past:
        """The profiles that `day` may be compared with."""
        first = day - timedelta(weeks=policy.weeks)
        profiles = {
            earlier: profile
            for earlier, profile in self.profiles.items()
            if first <= earlier < day and self.causes.get(earlier) not in UNTRUSTED and profile.rows
        }
        return Past(
            profiles,
            odd=frozenset(earlier for earlier in profiles if self.causes.get(earlier) in ODD),
        )


def watch_day(
    day: date,
    today: DayProfile,
    past: Known,
    policy: WatchPolicy,
    *,
    subject: date,
    reach: Callable[[str], int] = lambda _feature: 0,
) -> Diagnosis:
    """The diagnosis of `day`; `subject` is the day whose labels have just matured (worth in
    `known`, if it is).
    """
    reading = read(day, today, past.trusted(day, policy), policy)
    worths = {
        earlier: worth
        for earlier, worth in past.worths.items()
        if earlier == subject or past.causes.get(earlier) not in UNTRUSTED
    }
    performance = list(fallen(subject, worths, policy))
    memory = Memory(
        causes={earlier: cause for earlier, cause in past.causes.items() if earlier < day}
    )
    return diagnose(day, reading, performance, subject=subject, memory=memory, reach=reach)
