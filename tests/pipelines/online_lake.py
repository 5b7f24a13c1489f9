"""A small lake for the online path: five weeks of events that tie, at window edges and midnights,
and their reports.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.batch import compute_features
from features.definition import FeatureSet
from pipelines.base.days import DayRange, midnight
from pipelines.nightly.materialize.states import known_events
from pipelines.run import Run
from tests.accounts import ingest_account
from tests.pipelines.lake_rows import replace_rows

DAY = date(2026, 11, 10)
"""The last day with events but one."""
DAYS = DayRange(DAY - timedelta(days=38), DAY + timedelta(days=1))
EVENTS_A_DAY = 24
CUSTOMERS, TERMINALS = 9, 6


def store_events(run: Run, days: DayRange = DAYS, *, seed: int = 3) -> None:
    """Write `transactions` and `fraud_reports` of the days, and the ledger's word that they are
    ingested.

    Times are whole quarters of an hour, so that customers and terminals have ties and windows end
    on events; every sixth event is reported, 0 to 10 days later to the same quarter, many at
    midnight.
    """
    rng = np.random.default_rng(seed)
    rows = len(days) * EVENTS_A_DAY
    number = np.repeat(np.arange(len(days)), EVENTS_A_DAY)
    start = pd.Timestamp(days.start)
    time = start + pd.to_timedelta(number * 86_400 + rng.integers(0, 96, rows) * 900, unit="s")
    events = pd.DataFrame(
        {
            "transaction_id": rng.permutation(rows) + 1,
            "event_time": time.as_unit("us"),
            "customer_id": rng.integers(1, CUSTOMERS + 1, rows),
            "terminal_id": rng.integers(1, TERMINALS + 1, rows),
            "amount": np.round(rng.gamma(2.0, 30.0, rows), 2),
            "day": [days.first + timedelta(days=int(n)) for n in number],
        }
    )
    reported = time + pd.to_timedelta(rng.integers(0, 10 * 96, rows) * 900, unit="s")
    at_midnight = rng.random(rows) < 0.4
    reported = reported.where(~at_midnight, reported.ceil("D")).as_unit("us")
    reports = events.assign(reported_at=reported)[rng.random(rows) < 1 / 6][
        ["transaction_id", "reported_at"]
    ]
    reports["day"] = reports["reported_at"].dt.date
    store(run, "transactions", events, days)
    store(run, "fraud_reports", reports[reports["day"] <= days.last], days)
    accounts = {day: ingest_account(state="arrived", rows_in=EVENTS_A_DAY) for day in days}
    run.ledger.record_stages(accounts, "done", run_id=run.run_id, at=run.clock())


def store(run: Run, table: str, rows: pd.DataFrame, days: DayRange) -> None:
    """Replace the days of a table; money as decimals, `source_day` as `day`."""
    columns = pa.Table.from_pandas(rows.assign(source_day=rows["day"]), preserve_index=False)
    if "amount" in rows:
        cents = pc.round(columns["amount"], 2).cast(pa.decimal128(12, 2))
        columns = columns.set_column(columns.schema.get_field_index("amount"), "amount", cents)
    replace_rows(run, table, columns, days)


def add_event(
    run: Run, event_id: int, time: datetime, customer: int, terminal: int, amount: float
) -> None:
    """One event more, as a late file brings it."""
    day = DayRange.single(time.date())
    columns = ["transaction_id", "event_time", "customer_id", "terminal_id", "amount", "day"]
    there: Any = run.lake.read("transactions", days=day).select(*columns).toPandas()
    new = pd.DataFrame(
        [[event_id, pd.Timestamp(time), customer, terminal, amount, day.first]], columns=columns
    )
    old = there.assign(event_time=there["event_time"].dt.tz_localize("UTC"))
    both = new if old.empty else pd.concat([old, new], ignore_index=True)
    both["event_time"] = both["event_time"].dt.as_unit("us")
    store(run, "transactions", both.assign(amount=both["amount"].astype(float)), day)


def store_features(run: Run, days: DayRange, feature_set: FeatureSet) -> None:
    """Write `features` of the days with the batch's own engine."""
    window = days.widened(before=feature_set.reach_days)
    events = known_events(run, window, run.lake.versions(["transactions", "fraud_reports"]))
    rows = compute_features(events, feature_set, days)
    run.lake.replace_days(rows, "features", days, provenance=run.provenance("setup"))


def instant(day: date, hour: int = 0, minute: int = 0) -> datetime:
    """A UTC instant of a day."""
    return midnight(day) + timedelta(hours=hour, minutes=minute)
