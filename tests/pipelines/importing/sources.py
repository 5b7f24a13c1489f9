"""Small sources to import, with three fraudulent and three honest events a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from pipelines.landing.landing import Landing
from pipelines.object_store.storage import LocalStorage

START = date(2018, 7, 1)


def day(number: int) -> date:
    """The day so many days after START."""
    return START + timedelta(days=number)


def events(number: int) -> pd.DataFrame:
    """Six events of a day in the handbook's columns, from midnight to the last second."""
    midnight = datetime.combine(day(number), datetime.min.time())
    hours = [0, 5, 11, 17, 22]
    times = [midnight + timedelta(hours=hour) for hour in hours] + [
        midnight + timedelta(seconds=86_399)
    ]
    return pd.DataFrame(
        {
            "TRANSACTION_ID": range(number * 6, number * 6 + 6),
            "TX_DATETIME": pd.Series(times, dtype="datetime64[us]"),
            "CUSTOMER_ID": [1, 2, 3, 4, 5, 6],
            "TERMINAL_ID": 7,
            "TX_AMOUNT": [10.0, 0.29, 1.15, 4.35, 99.99, 220.01],
            "TX_FRAUD": [1, 0, 1, 0, 0, 1],
        }
    )


def write_days(folder: Path, first: int, last: int) -> Path:
    """A folder with the handbook's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, last + 1):
        events(number).to_parquet(folder / f"{day(number)}.parquet")
    return folder


def landing_in(folder: Path) -> Landing:
    """A landing zone of its own."""
    return Landing(LocalStorage(folder))


def contents(landing: Landing) -> dict[str, bytes]:
    """Every file of a local landing zone, by its path."""
    root = Path(landing.address)
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def landed_rows(
    landing: Landing, feed: str, days: Iterable[date], scratch: Path
) -> list[dict[str, Any]]:
    """All rows of a feed's days, in order of days and files."""
    rows: list[dict[str, Any]] = []
    for on in days:
        for path in landing.fetch(feed, on, scratch):
            rows += pq.read_table(path).to_pylist()
    return rows
