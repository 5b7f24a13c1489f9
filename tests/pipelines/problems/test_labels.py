"""Reports beside their events: one row each, the first report, repeated ones included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pandas as pd
import pytest

from pipelines.problems.labels import with_reports
from pipelines.usecases.registry import load

pytestmark = pytest.mark.slow

AS_OF = datetime(2026, 3, 29, tzinfo=UTC)
TICK = timedelta(microseconds=1)
AGES = [
    timedelta(),
    TICK,
    timedelta(days=7) - TICK,
    timedelta(days=7),
    timedelta(days=7) + TICK,
    timedelta(days=40),
]
REPORTS = [
    (),
    (AS_OF,),
    (AS_OF + TICK,),
    (AS_OF - TICK,),
    (AS_OF + TICK, AS_OF),
    (AS_OF + TICK, AS_OF + 2 * TICK),
]
CASES = [(AS_OF - age, reports) for age, reports in product(AGES, REPORTS)]


@pytest.fixture(scope="module")
def tables(spark):
    events = pd.DataFrame(
        {"transaction_id": range(len(CASES)), "event_time": [time for time, _ in CASES]}
    )
    rows: list[tuple[int, datetime]] = []
    for number, (_, moments) in enumerate(CASES):
        rows += [(number, at) for at in moments]
    reports = pd.DataFrame(rows, columns=["transaction_id", "reported_at"])
    return tuple(spark.createDataFrame(frame) for frame in (events, reports))


def test_an_event_keeps_one_row_and_its_first_report(tables):
    rows = with_reports(*tables, load("fraud")).collect()
    reported = {
        row.transaction_id: row.reported_at and row.reported_at.replace(tzinfo=UTC) for row in rows
    }
    assert len(rows) == len(CASES)
    assert reported == {n: min(reports, default=None) for n, (_, reports) in enumerate(CASES)}
