"""Importing: events on their UTC day, reports a label delay later, the same in one call or several,
clear refusals.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.days import Imported, import_days
from pipelines.importing.mapping.definition import load_mapping
from pipelines.landing.landing import Landing
from pipelines.usecases.registry import load
from tests.pipelines.importing.sources import (
    contents,
    day,
    events,
    landed_rows,
    landing_in,
    write_days,
)
from tests.pipelines.importing.test_mapping import SHIPPED

FRAUD = load("fraud")


def _import(
    landing: Landing, folder: Path, first: int, last: int, mapping: str = "handbook"
) -> list[Imported]:
    source = Source(folder, load_mapping(mapping, FRAUD), FRAUD.events)
    return list(import_days(landing, source, FRAUD, DayRange(day(first), day(last))))


def _rows(landing: Landing, feed: str, number: int) -> list[dict[str, object]]:
    return landed_rows(landing, feed, [day(number)], Path(landing.address))


def _mapping(folder: Path, *changes: tuple[str, str]) -> str:
    text = SHIPPED.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "my.toml").write_text(text)
    return str(folder / "my.toml")


def test_events_land_on_their_day_in_the_declared_types(tmp_path: Path) -> None:
    landing = landing_in(tmp_path / "landing")
    _import(landing, write_days(tmp_path / "source", 0, 2), 0, 2)
    rows = _rows(landing, "transactions", 1)
    assert rows[1] == {
        "transaction_id": 7,
        "event_time": datetime(2018, 7, 2, 5, tzinfo=UTC),
        "customer_id": 2,
        "terminal_id": 7,
        "amount": Decimal("0.29"),
    }
    assert [row["amount"] for row in rows] == [
        Decimal(t) for t in ("10.00", "0.29", "1.15", "4.35", "99.99", "220.01")
    ]
    assert [row["event_time"].date() for row in rows] == [day(1)] * 6


def test_reports_come_exactly_seven_days_after_the_event_also_after_the_range(
    tmp_path: Path,
) -> None:
    landing = landing_in(tmp_path / "landing")
    imported = _import(landing, write_days(tmp_path / "source", 0, 2), 0, 2)
    assert landing.days("fraud_reports") == [day(number) for number in range(10)]
    assert _rows(landing, "fraud_reports", 8) == [
        {"transaction_id": 6, "reported_at": datetime(2018, 7, 9, 0, tzinfo=UTC)},
        {"transaction_id": 8, "reported_at": datetime(2018, 7, 9, 11, tzinfo=UTC)},
        {"transaction_id": 11, "reported_at": datetime(2018, 7, 9, 23, 59, 59, tzinfo=UTC)},
    ]
    assert _rows(landing, "fraud_reports", 6) == []
    assert [(account.events, account.positives, account.reports) for account in imported] == (
        [(6, 3, 0)] * 3 + [(0, 0, 0)] * 4 + [(0, 0, 3)] * 3
    )


@pytest.mark.parametrize(
    "calls", [[(0, 3), (4, 12)], [(4, 12), (0, 3)], [(0, 12), (5, 6)], [(0, 0), (1, 12)]]
)
def test_several_calls_give_the_bytes_of_one(tmp_path: Path, calls: list[tuple[int, int]]) -> None:
    folder = write_days(tmp_path / "source", 0, 12)
    whole, several = landing_in(tmp_path / "one"), landing_in(tmp_path / "several")
    _import(whole, folder, 0, 12)
    for first, last in calls:
        _import(several, folder, first, last)
    assert contents(several) == contents(whole)


def test_days_that_the_source_holds_never_land_as_empty(tmp_path: Path) -> None:
    landing = landing_in(tmp_path / "landing")
    _import(landing, write_days(tmp_path / "source", 0, 5), 0, 2)
    assert [landing.arrival("transactions", day(number)).arrived for number in range(11)] == (
        [True] * 3 + [False] * 3 + [True] * 4 + [False]
    )


def test_a_report_lands_with_its_event(tmp_path: Path) -> None:
    landing = landing_in(tmp_path / "landing")
    _import(landing, write_days(tmp_path / "source", 0, 9), 8, 9)
    assert _rows(landing, "fraud_reports", 8) == []
    assert [row["transaction_id"] for row in _rows(landing, "fraud_reports", 15)] == [48, 50, 53]
    assert not landing.arrival("fraud_reports", day(7)).arrived


def test_local_times_are_taken_to_utc_and_to_the_utc_day(tmp_path: Path) -> None:
    folder = write_days(tmp_path / "source", 0, 2)
    mapping = _mapping(tmp_path, ('time_zone = "UTC"', 'time_zone = "Europe/Berlin"'))
    landing = landing_in(tmp_path / "landing")
    _import(landing, folder, 0, 1, mapping)
    assert [row["transaction_id"] for row in _rows(landing, "transactions", 0)] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert _rows(landing, "transactions", 0)[-1]["event_time"] == datetime(
        2018, 7, 1, 22, tzinfo=UTC
    )
    assert [row["transaction_id"] for row in _rows(landing, "fraud_reports", 7)] == [2, 5, 6]


def test_a_single_csv_file_with_text_in_its_own_form(tmp_path: Path) -> None:
    frame = pd.concat([events(number) for number in range(3)])
    frame["TX_DATETIME"] = frame["TX_DATETIME"].dt.strftime("%d.%m.%Y %H:%M:%S")
    frame["TX_FRAUD"] = frame["TX_FRAUD"].map({0: "no", 1: "yes"})
    (tmp_path / "source").mkdir()
    frame.to_csv(tmp_path / "source" / "all.csv.gz", index=False, sep=";")
    mapping = _mapping(
        tmp_path,
        ('"{day}.parquet"', '"all.csv.gz"'),
        (
            'format = "parquet"',
            'format = "csv"\ndelimiter = ";"\ntime_format = "%d.%m.%Y %H:%M:%S"',
        ),
        ("positive = [1]", 'positive = ["yes"]'),
        ("negative = [0]", 'negative = ["no"]'),
    )
    landing, expected = landing_in(tmp_path / "landing"), landing_in(tmp_path / "expected")
    _import(landing, tmp_path / "source", 0, 2, mapping)
    _import(expected, write_days(tmp_path / "days", 0, 2), 0, 2)
    assert contents(landing) == contents(expected)
    with pytest.raises(UsageError, match="lacks 1 of 2 days"):
        _import(landing, tmp_path / "source", 2, 3, mapping)


@pytest.mark.parametrize(
    "text", ["2018-07-01T05:00:00", "2018-07-01 05:00:00Z", "2018-07-01T07:00:00+02:00"]
)
def test_iso_timestamps_with_and_without_a_zone(tmp_path: Path, text: str) -> None:
    (tmp_path / "source").mkdir()
    frame = events(0).iloc[:1].assign(TX_DATETIME=text)
    frame.to_csv(tmp_path / "source" / f"{day(0)}.csv", index=False)
    mapping = _mapping(
        tmp_path,
        ("{day}.parquet", "{day}.csv"),
        ('format = "parquet"', 'format = "csv"'),
    )
    landing = landing_in(tmp_path / "landing")
    _import(landing, tmp_path / "source", 0, 0, mapping)
    assert _rows(landing, "transactions", 0)[0]["event_time"] == datetime(2018, 7, 1, 5, tzinfo=UTC)
    assert len(_rows(landing, "fraud_reports", 7)) == 1


def test_every_column_that_does_not_fit_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    frame = events(0).assign(CUSTOMER_ID=True, TX_AMOUNT=False, TX_DATETIME=range(6))
    frame.to_parquet(folder / f"{day(0)}.parquet")
    landing = landing_in(tmp_path / "landing")
    with pytest.raises(ConfigurationError) as caught:
        _import(landing, folder, 0, 0)
    for column in (
        "CUSTOMER_ID (bool) as customer_id bigint",
        "TX_AMOUNT (",
        "TX_DATETIME (int64) as event_time",
    ):
        assert column in caught.value.found
    assert caught.value.where == str(folder / f"{day(0)}.parquet")
    assert contents(landing) == {}


def test_missing_columns_are_named_with_those_there_are(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    events(0).rename(columns={"TX_AMOUNT": "AMT"}).drop(columns="TX_FRAUD").to_parquet(
        folder / f"{day(0)}.parquet"
    )
    with pytest.raises(ConfigurationError, match=r"no TX_AMOUNT, TX_FRAUD \(there is .*AMT"):
        _import(landing_in(tmp_path / "landing"), folder, 0, 0)


def test_a_file_with_events_of_another_day_is_refused(tmp_path: Path) -> None:
    folder = write_days(tmp_path / "source", 0, 0)
    events(3).to_parquet(folder / f"{day(1)}.parquet")
    landing = landing_in(tmp_path / "landing")
    with pytest.raises(ConfigurationError, match="events from 2018-07-04 to 2018-07-04"):
        _import(landing, folder, 0, 1)
    assert contents(landing) == {}


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    folder = write_days(tmp_path / "source", 0, 0)
    (folder / f"{day(0)}.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(ConfigurationError, match="not a readable parquet file"):
        _import(landing_in(tmp_path / "landing"), folder, 0, 0)


def test_a_row_without_a_time_belongs_to_no_day_and_costs_only_itself(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    frame = events(0)
    frame.loc[2, "TX_DATETIME"] = pd.NaT
    frame.to_parquet(folder / f"{day(0)}.parquet")
    landing = landing_in(tmp_path / "landing")
    _import(landing, folder, 0, 0)
    assert [row["transaction_id"] for row in _rows(landing, "transactions", 0)] == [0, 1, 3, 4, 5]


def test_missing_days_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    folder = write_days(tmp_path / "source", 0, 2)
    landing = landing_in(tmp_path / "landing")
    with pytest.raises(UsageError, match=r"lacks 2 of 5 days(.|\n)*2018-07-04, 2018-07-05"):
        _import(landing, folder, 0, 4)
    assert contents(landing) == {}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder to import from"):
        _import(landing_in(tmp_path / "landing"), tmp_path / "nowhere", 0, 0)
