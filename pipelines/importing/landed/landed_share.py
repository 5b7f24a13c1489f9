"""The share of reported events that is in the landing zone already, from the manifests alone."""

from __future__ import annotations

from pipelines.landing.landing import Landing
from pipelines.usecases.definition import UseCase


def landed_share(landing: Landing, use_case: UseCase) -> float | None:
    """Reports over events of all landed days; None where no event has landed.

    All days count: an event and its report lie on different days, so that a part of the days would
    hold reports of events that it does not hold.
    """
    events = _rows(landing, use_case.events.name)
    return _rows(landing, use_case.labels.name) / events if events else None


def _rows(landing: Landing, feed: str) -> int:
    return sum(landing.arrival(feed, day).required().rows for day in landing.days(feed))
