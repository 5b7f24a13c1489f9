"""Lakes for the feature benchmarks: the public handbook's days as ingest would have left them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.run import Run
from pipelines.usecases.registry import load

FIRST = date(2018, 4, 1)
LENGTH = 136
FEEDS = ("transactions", "fraud_reports")


@dataclass(frozen=True)
class BenchLake:
    """A run over `days` of transactions and reports (exactly seven days after the event)."""

    run: Run
    days: DayRange

    def files(self, table: str) -> str:
        """Glob of the table's Parquet files."""
        return f"{self.run.lake.path(table)}/day=*/*.parquet"


def handbook() -> Path:
    """Folder of the handbook's days; raises `FileNotFoundError` that says how to name another."""
    folder = (
        Path(os.environ.get("TOLLGATE_REAL_DATA") or CHECKOUT.parent / "shared" / "data")
        / "handbook"
    )
    if not folder.is_dir():
        raise FileNotFoundError(f"no handbook data at {folder}: set TOLLGATE_REAL_DATA")
    return folder


def lake_of(home: Path, length: int = LENGTH) -> BenchLake:
    """A lake with the last `length` of the handbook's days."""
    from pyspark.sql import functions as f

    days = DayRange(FIRST + timedelta(days=LENGTH - length), FIRST + timedelta(days=LENGTH - 1))
    run = Run(Settings.build(home=home), load("fraud"), run_id="bench", actor="bench")
    raw = run.spark.read.parquet(*(str(handbook() / f"{day}.parquet") for day in days))
    events = raw.select(
        f.col("TRANSACTION_ID").alias("transaction_id"),
        f.col("TX_DATETIME").cast("timestamp").alias("event_time"),
        f.col("CUSTOMER_ID").cast("bigint").alias("customer_id"),
        f.col("TERMINAL_ID").cast("bigint").alias("terminal_id"),
        f.col("TX_AMOUNT").cast("decimal(12,2)").alias("amount"),
        f.col("TX_FRAUD").alias("fraud"),
        f.to_date("TX_DATETIME").alias("day"),
    )
    reports = events.where("fraud = 1").select(
        "transaction_id", (f.col("event_time") + f.expr("INTERVAL 7 DAYS")).alias("reported_at")
    )
    reports = reports.withColumn("day", f.to_date("reported_at"))
    for table, frame, last in (
        ("transactions", events.drop("fraud"), 0),
        ("fraud_reports", reports, 7),
    ):
        written = frame.withColumn("source_day", f.col("day")).repartition(4, "day")
        run.lake.replace_days(
            written, table, days.widened(after=last), provenance=run.provenance("setup")
        )
    made = BenchLake(run, days)
    _record_ingest(made)
    return made


def _record_ingest(lake: BenchLake) -> None:
    versions = lake.run.lake.versions(FEEDS)
    accounts = {
        day: IngestAccount(state="arrived", changed_days=(day,), versions=versions)
        for day in lake.days
    }
    lake.run.ledger.record_stages(accounts, "done", run_id="bench", at=lake.run.clock())
