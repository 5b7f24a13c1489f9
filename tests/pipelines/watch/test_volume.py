"""Volume, quarantine and quiet hours: plain figures that know weekdays and missing days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from pipelines.watch.volume import quarantine_rate, quiet_hours, volume_ratio
from tests.accounts import ingest_account

SUNDAY = date(2026, 11, 8)


def test_a_quiet_sunday_is_usual_for_a_sunday() -> None:
    rows = {SUNDAY - timedelta(days=n): 400 if n % 7 == 0 else 1000 for n in range(40)}
    assert volume_ratio(SUNDAY, rows) == 1.0
    assert volume_ratio(SUNDAY, rows | {SUNDAY: 1000}) == 2.5


def test_the_median_forgives_one_odd_week() -> None:
    rows = {SUNDAY - timedelta(weeks=n): 400 for n in range(5)} | {SUNDAY - timedelta(weeks=2): 9000}
    assert volume_ratio(SUNDAY, rows) == 1.0


def test_without_history_nothing_is_said() -> None:
    assert volume_ratio(SUNDAY, {SUNDAY: 400}) is None
    assert volume_ratio(SUNDAY, {SUNDAY: 400, SUNDAY - timedelta(weeks=1): 400}) is None
    assert volume_ratio(SUNDAY, {SUNDAY - timedelta(weeks=n): 400 for n in (1, 2)}) is None


def test_a_day_without_rows_is_nothing_of_the_usual() -> None:
    assert volume_ratio(SUNDAY, {SUNDAY: 0} | {SUNDAY - timedelta(weeks=n): 400 for n in (1, 2)}) == 0.0


def test_rates_of_nothing_are_not_known() -> None:
    assert quarantine_rate(ingest_account(rows_in=200, quarantined=3)) == 0.015
    assert quarantine_rate(ingest_account(rows_in=0, quarantined=0)) is None
    assert quarantine_rate(None) is None
    assert quiet_hours(datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 8, 12, 30, tzinfo=UTC)) == 11.5
    assert quiet_hours(datetime(2026, 11, 9, tzinfo=UTC), None) is None
