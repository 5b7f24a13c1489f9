"""What the gate of ingest is asked about a feed's day: shares and the ratio to the usual, by
hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from pipelines.nightly.ingest.account import FeedAccount
from pipelines.nightly.ingest.verdict import _profile
from pipelines.usecases.policies.watch import WatchPolicy

DAY = date(2026, 11, 30)
POLICY = WatchPolicy()
ACCOUNT = FeedAccount(
    rows_in=1000, accepted=900, quarantined=60, duplicates=40, late=90, busiest_hour=45
)


def weeks_before(*volumes: int) -> Mapping[date, int]:
    earlier = {DAY - timedelta(weeks=n): volume for n, volume in enumerate(volumes, start=1)}
    return {**earlier, DAY: ACCOUNT.accepted}


def test_shares_are_of_what_came_in_and_the_busiest_hour_of_what_was_accepted() -> None:
    assert _profile(DAY, ACCOUNT, {}, POLICY) == {
        "rows": 900,
        "volume_ratio": None,
        "duplicate_share": 0.04,
        "late_share": 0.09,
        "quarantined_share": 0.06,
        "busiest_hour_share": 0.05,
    }


@pytest.mark.parametrize(
    ("volumes", "ratio"),
    [
        ((450,), None),
        ((450, 750), 1.5),
        ((450, 600, 9000), 1.5),
        ((600, 0, 300, 900), 1.5),
        ((300,) * 5 + (900,) * 9, 3.0),
    ],
)
def test_the_usual_is_the_median_of_two_and_more_of_five_same_weekdays(
    volumes: tuple[int, ...], ratio: float | None
) -> None:
    assert _profile(DAY, ACCOUNT, weeks_before(*volumes), POLICY)["volume_ratio"] == ratio
    other_weekdays = {DAY - timedelta(days=n): 1 for n in range(1, 7)}
    assert (
        _profile(DAY, ACCOUNT, {**weeks_before(*volumes), **other_weekdays}, POLICY)["volume_ratio"]
        == ratio
    )


def test_a_day_of_which_nothing_was_accepted_has_no_busiest_hour() -> None:
    none = _profile(DAY, FeedAccount(rows_in=10, quarantined=10), {}, POLICY)
    assert (none["busiest_hour_share"], none["quarantined_share"]) == (None, 1.0)
