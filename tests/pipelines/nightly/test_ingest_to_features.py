"""From files to features: late rows and late reports, days in and out of order, by the real
ingest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import TransientError
from pipelines.landing.landing import Landing
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.freshness import stale_days
from pipelines.nightly.ingest import ingest
from pipelines.run import Run
from tests.pipelines.nightly.ingest.landing_days import day, events, land, reports

pytestmark = pytest.mark.slow

ROWS = 60
LENGTH = 3


def land_days(landing: Landing) -> None:
    """Three days of files; the last day's bring two late rows of the first day, and a report of one
    of its events.
    """
    for number in range(LENGTH):
        last = number == LENGTH - 1
        late = events(day(0), 2, start=900_000) if last else []
        land(landing, day(number), [*events(day(number), ROWS), *late], with_reports=False)
        land(landing, day(number), reports(day(number), [3] if last else []), feed="fraud_reports")


def table(run: Run) -> pd.DataFrame:
    return run.lake.read("features").toPandas().sort_values("transaction_id").reset_index(drop=True)


def test_nights_in_any_order_give_the_tables_of_one_bulk_run(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    bulk = make_run()
    land_days(bulk.landing)
    days = DayRange(day(0), day(LENGTH - 1))
    ingest(bulk, days)
    build_features(bulk, days)
    expected = table(bulk)
    assert len(expected) == LENGTH * ROWS + 2
    assert stale_days(bulk) == {}

    other = make_run(lake=str(tmp_path / "other"), ledger=f"sqlite:///{tmp_path}/other.sqlite")
    ingest(other, DayRange.single(day(0)))
    build_features(other, DayRange.single(day(0)))
    ingest(other, DayRange.single(day(2)))
    assert list(stale_days(other)) == [day(0)]
    with pytest.raises(TransientError, match=str(day(1))):
        build_features(other, DayRange.single(day(2)))
    ingest(other, DayRange.single(day(1)))
    build_features(other, DayRange.single(day(2)))
    result = build_features(other, DayRange.single(day(1)))
    assert result.accounts[day(1)].rows == ROWS
    assert stale_days(other) == {}
    pd.testing.assert_frame_equal(table(other), expected, check_exact=True)
