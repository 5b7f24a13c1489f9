"""Volume, quarantine and quiet hours: plain figures that know weekdays and missing days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from pipelines.nightly.volume import quarantine_rate, quiet_hours, volume_ratio
from pipelines.usecases.policies.watch import WatchPolicy
from tests.accounts import ingest_account

SUNDAY = date(2026, 11, 8)
POLICY = WatchPolicy()


def test_a_quiet_sunday_is_usual_for_a_sunday() -> None:
    rows = {SUNDAY - timedelta(days=n): 400 if n % 7 == 0 else 1000 for n in range(40)}
    assert volume_ratio(SUNDAY, rows, POLICY) == 1.0
    assert volume_ratio(SUNDAY, rows | {SUNDAY: 1000}, POLICY) == 2.5


def test_the_median_forgives_one_odd_week() -> None:
    rows = {SUNDAY - timedelta(weeks=n): 400 for n in range(5)} | {
        SUNDAY - timedelta(weeks=2): 9000
    }
    assert volume_ratio(SUNDAY, rows, POLICY) == 1.0


def test_days_on_which_nothing_came_are_no_measure_of_the_usual() -> None:
    rows = {SUNDAY: 400, **{SUNDAY - timedelta(weeks=n): 400 for n in (1, 2)}}
    closed = {SUNDAY - timedelta(weeks=n): 0 for n in (3, 4, 5)}
    assert volume_ratio(SUNDAY, rows | closed, POLICY) == 1.0


def test_the_policys_weeks_say_how_far_back_the_usual_reaches() -> None:
    rows = {SUNDAY - timedelta(weeks=n): 400 if n <= 5 else 9000 for n in range(12)}
    assert volume_ratio(SUNDAY, rows, POLICY) == 1.0
    assert volume_ratio(SUNDAY, rows, replace(POLICY, weeks=11)) == 400 / 9000


def test_without_history_nothing_is_said() -> None:
    assert volume_ratio(SUNDAY, {SUNDAY: 400}, POLICY) is None
    assert volume_ratio(SUNDAY, {SUNDAY: 400, SUNDAY - timedelta(weeks=1): 400}, POLICY) is None
    assert volume_ratio(SUNDAY, {SUNDAY - timedelta(weeks=n): 400 for n in (1, 2)}, POLICY) is None


def test_a_day_without_rows_is_nothing_of_the_usual() -> None:
    assert (
        volume_ratio(
            SUNDAY, {SUNDAY: 0} | {SUNDAY - timedelta(weeks=n): 400 for n in (1, 2)}, POLICY
        )
        == 0.0
    )


def test_rates_of_nothing_are_not_known() -> None:
    assert quarantine_rate(ingest_account(rows_in=200, quarantined=3)) == 0.015
    assert quarantine_rate(ingest_account(rows_in=0, quarantined=0)) is None
    assert quarantine_rate(None) is None
    assert (
        quiet_hours(datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 8, 12, 30, tzinfo=UTC))
        == 11.5
    )
    assert quiet_hours(datetime(2026, 11, 9, tzinfo=UTC), None) is None
