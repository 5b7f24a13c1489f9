"""The whole public handbook set, imported: every row, every fraud, every report seven days later,
in seconds.
"""

from __future__ import annotations

from datetime import date
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.days import DayRange
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.days import import_days
from pipelines.importing.mapping.definition import load_mapping
from pipelines.landing.landing import Landing
from pipelines.usecases.registry import load
from tests.pipelines.importing.sources import landing_in

pytestmark = pytest.mark.real
FRAUD = load("fraud")
DAYS = DayRange(date(2018, 4, 1), date(2018, 8, 14))


@pytest.fixture(scope="module")
def imported(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Landing:
    landing = landing_in(tmp_path_factory.mktemp("handbook"))
    source = Source(real_data / "handbook", load_mapping("handbook", FRAUD), FRAUD.events)
    accounts = list(import_days(landing, source, FRAUD, DAYS))
    assert sum(account.events for account in accounts) == 1_303_778
    return landing


def _landed(landing: Landing, feed: str, days: DayRange) -> pd.DataFrame:
    folder = Path(landing.address)
    paths = chain.from_iterable(landing.fetch(feed, day, folder) for day in days)
    return pa.concat_tables([pq.read_table(path) for path in paths]).to_pandas()


def test_a_week_equals_the_source_in_every_cell(imported: Landing, real_data: Path) -> None:
    week = DayRange(date(2018, 8, 8), date(2018, 8, 14))
    landed = _landed(imported, "transactions", week).sort_values(
        "transaction_id", ignore_index=True
    )
    source = pd.concat([pd.read_parquet(real_data / "handbook" / f"{day}.parquet") for day in week])
    source = source.sort_values("TRANSACTION_ID", ignore_index=True)
    for column, declared in load_mapping("handbook", FRAUD).events.items():
        (name,) = declared.sources
        values = landed[column]
        if column == "event_time":
            values = values.dt.tz_localize(None)
        if column == "amount":  # the source has amounts times 5 in binary: 123.35000000000001
            assert (values.astype(float) - source[name]).abs().max() < 1e-9
        else:
            assert (values == source[name]).all(), column


def test_every_fraud_is_reported_once_seven_days_later(imported: Landing, real_data: Path) -> None:
    reports = _landed(imported, "fraud_reports", DAYS.widened(after=7))
    frames = [pd.read_parquet(real_data / "handbook" / f"{day}.parquet") for day in DAYS]
    frauds = pd.concat([frame[frame.TX_FRAUD == 1] for frame in frames])
    expected = frauds.set_index("TRANSACTION_ID").TX_DATETIME + pd.Timedelta(days=7)
    reported_at = reports.set_index("transaction_id").reported_at.dt.tz_localize(None)
    assert reported_at.sort_index().to_dict() == expected.sort_index().to_dict()


def test_the_days_after_the_last_one_land_empty_with_their_reports(imported: Landing) -> None:
    tail = DayRange(date(2018, 8, 15), date(2018, 8, 21))
    assert [imported.arrival("transactions", day).required().rows for day in tail] == [0] * 7
    assert all(imported.arrival("fraud_reports", day).required().rows > 30 for day in tail)
    assert not imported.arrival("fraud_reports", date(2018, 8, 22)).arrived
