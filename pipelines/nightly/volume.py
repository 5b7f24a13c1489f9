"""How much came, how much of it was bad, and how late the newest of it was: plain figures of a
day's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from pipelines.accounts.ingest import IngestAccount
from pipelines.nightly.weekday_baseline import usual
from pipelines.usecases.policies.watch import WatchPolicy


def volume_ratio(day: date, rows: Mapping[date, int], policy: WatchPolicy) -> float | None:
    """The day's rows over what is usual for its weekday (`weekday_baseline`); None without enough
    history.

    Days on which nothing came are no measure of it: a feed had failed, or there was nothing to
    send.
    """
    baseline = usual(day, {earlier: count for earlier, count in rows.items() if count}, policy)
    return rows[day] / baseline.center if baseline is not None and day in rows else None


def quarantine_rate(account: IngestAccount | None) -> float | None:
    """Share (0 to 1) of the day's incoming rows that were quarantined; None where nothing came
    in.
    """
    return (
        account.quarantined / account.rows_in if account is not None and account.rows_in else None
    )


def quiet_hours(day_end: datetime, newest_event: datetime | None) -> float | None:
    """Hours (UTC) between the newest event and the end of its day: long where a feed broke off.

    None without events.
    """
    return (day_end - newest_event).total_seconds() / 3600 if newest_event else None
