"""Days of the public handbook set as the lake holds them, straight from its files (ingest has tests
of its own).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.days import DayRange
from pipelines.run import Run
from tests.accounts import ingest_account
from tests.pipelines.lake_rows import replace_rows


def store_handbook(run: Run, folder: Path, days: DayRange) -> None:
    """Write `transactions` and `fraud_reports` (each fraud reported 7 days later) and the ledger's
    word for it.
    """
    raw = pd.concat([pd.read_parquet(folder / f"{day}.parquet") for day in days], ignore_index=True)
    time = raw["TX_DATETIME"].dt.as_unit("us").dt.tz_localize("UTC")
    events = {
        "transaction_id": pa.array(raw["TRANSACTION_ID"], pa.int64()),
        "event_time": pa.array(time),
        "customer_id": pa.array(raw["CUSTOMER_ID"].astype("int64")),
        "terminal_id": pa.array(raw["TERMINAL_ID"].astype("int64")),
        "amount": pc.round(pa.array(raw["TX_AMOUNT"]), 2).cast(pa.decimal128(12, 2)),
        "day": pa.array(time.dt.date),
        "source_day": pa.array(time.dt.date),
    }
    frauds = raw["TX_FRAUD"] == 1
    reported = time[frauds] + pd.Timedelta(days=7)
    reports = pd.DataFrame(
        {"transaction_id": raw["TRANSACTION_ID"][frauds].astype("int64"), "reported_at": reported}
    )
    reports = reports.assign(day=reported.dt.date, source_day=reported.dt.date)
    replace_rows(run, "transactions", pa.table(events), days)
    in_time = reports[reports["day"] <= days.last]
    replace_rows(run, "fraud_reports", pa.Table.from_pandas(in_time, preserve_index=False), days)
    accounts = {day: ingest_account(state="arrived") for day in days}
    run.ledger.record_stages(accounts, "done", run_id=run.run_id, at=run.clock())
