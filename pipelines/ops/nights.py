"""Nights: did the chain of each day come to its end, at the first try, in time?

Pure functions of stage records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipelines.accounts.account import Account
from pipelines.airflow.names import CHAIN, SCHEDULED
from pipelines.base.days import DayRange, midnight
from pipelines.ledger.ledger import StageRecord


@dataclass(frozen=True, kw_only=True)
class Night:
    """A night of the schedule: `good` where every stage is done, `first_try` where none needed a
    second attempt.

    `finished_at` is when the last stage was first done (UTC), None where it never was.
    """

    day: date
    good: bool
    first_try: bool
    finished_at: datetime | None

    def on_time(self, deadline: timedelta) -> bool:
        """Whether the chain was done `deadline` after the end of its day."""
        return (
            self.finished_at is not None
            and self.finished_at <= midnight(self.day + timedelta(days=1)) + deadline
        )


def scheduled_days(history: Iterable[StageRecord[Account]]) -> set[date]:
    """The days whose ingest the schedule started."""
    return {
        record.day for record in history if record.stage == CHAIN[0] and SCHEDULED in record.run_id
    }


def nights(history: Iterable[StageRecord[Account]]) -> list[Night]:
    """Each day from the first that the schedule ran to the last; one that it left out counts as a
    night that failed.
    """
    records = list(history)
    started = scheduled_days(records)
    if not started:
        return []
    by_day: defaultdict[date, defaultdict[str, list[StageRecord[Account]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for record in records:
        by_day[record.day][record.stage].append(record)
    return [
        _night(day, by_day[day], day in started) for day in DayRange(min(started), max(started))
    ]


def good_days(statuses: Mapping[tuple[str, date], str]) -> set[date]:
    """The days on which every stage of the chain is done, however it came to that."""
    done = [key for key, status in statuses.items() if status == "done"]
    return set.intersection(*({day for stage, day in done if stage == name} for name in CHAIN))


def days_since_good(good: Iterable[date], at: datetime) -> int | None:
    """Days between the newest good day and yesterday (0: last night was good); None without a good
    day.
    """
    newest = max(good, default=None)
    return max(0, (at.date() - timedelta(days=1) - newest).days) if newest else None


def _night(day: date, stages: Mapping[str, list[StageRecord[Account]]], started: bool) -> Night:
    attempts = {name: stages.get(name, []) for name in CHAIN}
    good = all(records and records[-1].status == "done" for records in attempts.values())
    first = all(records and records[0].status == "done" for records in attempts.values())
    ends = [record.recorded_at for record in attempts[CHAIN[-1]] if record.status == "done"]
    return Night(
        day=day,
        good=good,
        first_try=started and first,
        finished_at=min(ends) if good and ends else None,
    )
