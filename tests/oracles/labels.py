"""Labels and removed cards in plain Python, one event at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta


def label_at(
    event_time: datetime, reports: Sequence[datetime], as_of: datetime, delay_days: int
) -> int | None:
    """1 reported by then, 0 old enough without a report, None not known yet."""
    if any(reported_at <= as_of for reported_at in reports):
        return 1
    return 0 if as_of - event_time >= timedelta(days=delay_days) else None


def is_blocked(
    card: int, day: date, train_start: date, events: Sequence[Mapping[str, object]]
) -> bool:
    """Whether the card had, since `train_start`, a fraud that was reported before `day` began."""
    for event in events:
        if event["card"] != card or event["reported_at"] is None:
            continue
        happened, reported = event["event_time"], event["reported_at"]
        assert isinstance(happened, datetime)
        assert isinstance(reported, datetime)
        if happened.date() >= train_start and reported < datetime(
            day.year, day.month, day.day, tzinfo=reported.tzinfo
        ):
            return True
    return False
