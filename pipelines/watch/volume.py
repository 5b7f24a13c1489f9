"""How much came, how much of it was bad, and how late the newest of it was: plain figures of a day's data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from statistics import median

from pipelines.accounts.ingest import IngestAccount

WEEKS = 4
LEAST_WEEKS = 2


def volume_ratio(day: date, rows: Mapping[date, int]) -> float | None:
    """The day's rows over the median of the same weekday in the four weeks before.

    None where fewer than two of these days are known: a Sunday is no anomaly, and one week is no history.
    """
    before = [rows[then] for week in range(1, WEEKS + 1) if (then := day - timedelta(weeks=week)) in rows]
    usual = median(before) if len(before) >= LEAST_WEEKS else 0
    return rows[day] / usual if usual and day in rows else None


def quarantine_rate(account: IngestAccount | None) -> float | None:
    """Share (0 to 1) of the day's incoming rows that were quarantined; None where nothing came in."""
    return account.quarantined / account.rows_in if account is not None and account.rows_in else None


def quiet_hours(day_end: datetime, newest_event: datetime | None) -> float | None:
    """Hours (UTC) between the newest event and the end of its day: long where a feed broke off. None without events."""
    return (day_end - newest_event).total_seconds() / 3600 if newest_event else None
