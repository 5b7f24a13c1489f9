"""Training frames made by hand, and one made of the real files, for tests of splits, fits and
search.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.base.days import DayRange


def frame_of(events: Iterable[tuple[int, datetime, int, datetime | None]]) -> pd.DataFrame:
    """From (transaction, time, customer, reported or None)."""
    frame = pd.DataFrame(
        list(events), columns=["transaction_id", "event_time", "customer_id", "reported_at"]
    )
    for name in ("event_time", "reported_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    frame["day"] = frame["event_time"].dt.tz_localize(None).dt.floor("D")
    return frame


def handbook_frame(folder: Path, days: DayRange) -> pd.DataFrame:
    """The handbook's days; each fraud is reported seven days after it happened."""
    files = [pd.read_parquet(folder / "handbook" / f"{day}.parquet") for day in days]
    raw = pd.concat(files, ignore_index=True)
    time = pd.to_datetime(raw["TX_DATETIME"]).dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    return pd.DataFrame(
        {
            "transaction_id": raw["TRANSACTION_ID"].astype("int64"),
            "event_time": time,
            "customer_id": raw["CUSTOMER_ID"].astype("int64"),
            "reported_at": (time + timedelta(days=7)).where(raw["TX_FRAUD"] == 1),
            "day": time.dt.tz_localize(None).dt.floor("D"),
            "amount": raw["TX_AMOUNT"].astype("float64"),
        }
    )


def simulated_frame(first: date, days: int, *, seed: int = 1, per_day: int = 300) -> pd.DataFrame:
    """Random events over 60 customers with two columns; large `signal` are frauds, `noise` says
    nothing.
    """
    random = np.random.default_rng(seed)
    rows = days * per_day
    start = np.datetime64(first, "us")
    time = np.sort(
        start + random.integers(0, days * 86_400_000_000, rows).astype("timedelta64[us]")
    )
    amount, noise = random.exponential(50, rows), random.normal(size=rows)
    fraud = amount + random.normal(scale=20, size=rows) > 200
    frame = pd.DataFrame({"transaction_id": np.arange(rows), "event_time": time})
    frame["event_time"] = frame["event_time"].dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    frame["customer_id"] = random.integers(0, 60, rows)
    frame["day"] = frame["event_time"].dt.tz_localize(None).dt.floor("D")
    frame["reported_at"] = (frame["event_time"] + timedelta(days=7)).where(fraud)
    return frame.assign(amount=amount, noise=noise)
