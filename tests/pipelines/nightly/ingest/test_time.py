"""Days are days of UTC: where clocks change, in a leap year, at the year's end, whatever zone a
sender writes in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from zoneinfo import ZoneInfo

import pytest

from pipelines.base.days import DayRange, midnight
from pipelines.nightly.ingest import ingest
from pipelines.run import Run
from tests.guarantees.plugin import Tried
from tests.pipelines.nightly.ingest.lake_content import table
from tests.pipelines.nightly.ingest.landing_days import land_text

ODD_DAYS = (
    DayRange.parse("2026-10-25", "2026-10-25"),
    DayRange.parse("2026-03-29", "2026-03-29"),
    DayRange.parse("2024-02-28", "2024-03-01"),
    DayRange.parse("2026-12-31", "2027-01-01"),
)
"""Clocks go back, clocks go forward, a leap day between its neighbours, two sides of a new year."""

ZONE = ZoneInfo("Europe/Berlin")
A_DAY = 24 * 4


def quarters(on: date) -> list[dict[str, str | None]]:
    """A transaction of 0.01 at every quarter of an hour of a day of UTC, written now in UTC, now in
    a local zone.
    """
    first = on.toordinal() * 1000
    times = [midnight(on) + timedelta(minutes=15 * n) for n in range(A_DAY)]
    return [
        {
            "transaction_id": str(first + n),
            "event_time": at.strftime("%Y-%m-%d %H:%M:%SZ") if n % 2 else local(at),
            "customer_id": "1",
            "terminal_id": "2",
            "amount": "0.01",
        }
        for n, at in enumerate(times)
    ]


def local(at: datetime) -> str:
    """The instant as a clock in Berlin shows it, with its offset."""
    return at.astimezone(ZONE).isoformat(sep=" ")


@pytest.mark.guarantee(
    "time", fault="a transaction every 15 minutes of days on which clocks change, of a leap day, …"
)
@pytest.mark.slow
def test_every_day_has_all_its_hours_and_rows(
    make_run: Callable[..., Run], tried: Tried, thorough: bool
) -> None:
    run = make_run()
    ranges = ODD_DAYS if thorough else ODD_DAYS[:1]
    days = list(chain.from_iterable(ranges))
    for on in days:
        land_text(run.landing, on, quarters(on))
    for odd in ranges:
        ingest(run, odd)
    rows = table(run)
    assert Counter(row[5] for row in rows) == dict.fromkeys(days, A_DAY)
    hours: set[tuple[date, int]] = set()
    for number, event_time, *_, amount, on, _ in rows:
        at = datetime.fromisoformat(event_time).astimezone(UTC)
        assert at == midnight(on) + timedelta(minutes=15 * (number - on.toordinal() * 1000))
        assert amount == Decimal("0.01")
        hours.add((on, at.hour))
    assert len(hours) == 24 * len(days)
    tried(
        len(days),
        f"{len(rows)} rows, {A_DAY} a day, 24 hours a day, every instant as it was written",
    )
