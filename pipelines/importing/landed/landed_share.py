"""The share of reported events that is in the landing zone already, from the manifests alone."""

from __future__ import annotations

from pipelines.base.days import DayRange
from pipelines.landing.landing import Landing
from pipelines.usecases.definition import UseCase


def landed_share(landing: Landing, use_case: UseCase, without: DayRange) -> float | None:
    """Reports over events of all landed days that are not in `without`; None where there are no such events.

    Reports are counted on the days on which they are due, so in a short history the share is a little low.
    """
    events = _rows(landing, use_case.events.name, without)
    return _rows(landing, use_case.labels.name, without) / events if events else None


def _rows(landing: Landing, feed: str, without: DayRange) -> int:
    days = [day for day in landing.days(feed) if day not in without]
    return sum(landing.arrival(feed, day).required().rows for day in days)
