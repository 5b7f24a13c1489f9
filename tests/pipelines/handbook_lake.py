"""Days of the public handbook set as the lake holds them, straight from its files (ingest has tests of its own)."""

from __future__ import annotations

from pathlib import Path

from pipelines.platform.days import DayRange
from pipelines.run import Run


def store_handbook(run: Run, folder: Path, days: DayRange) -> None:
    """Write `transactions` and `fraud_reports` (each fraud reported 7 days later) and the ledger's word for it."""
    from pyspark.sql import functions

    raw = run.spark.read.parquet(*(str(folder / f"{day}.parquet") for day in days))
    time = functions.col("TX_DATETIME").cast("timestamp")
    events = raw.select(
        functions.col("TRANSACTION_ID").cast("bigint").alias("transaction_id"),
        time.alias("event_time"),
        functions.col("CUSTOMER_ID").cast("bigint").alias("customer_id"),
        functions.col("TERMINAL_ID").cast("bigint").alias("terminal_id"),
        functions.col("TX_AMOUNT").cast("decimal(12,2)").alias("amount"),
        functions.to_date(time).alias("day"),
        functions.to_date(time).alias("source_day"),
    )
    reported = time + functions.expr("INTERVAL 7 DAYS")
    reports = raw.where("TX_FRAUD = 1").select(
        functions.col("TRANSACTION_ID").cast("bigint").alias("transaction_id"),
        reported.alias("reported_at"),
        functions.to_date(reported).alias("day"),
        functions.to_date(reported).alias("source_day"),
    )
    for table, rows in (("transactions", events), ("fraud_reports", reports)):
        known = rows.where(f"day <= DATE'{days.last}'").repartition("day")
        run.lake.replace_days(known, table, days, provenance=run.provenance("setup"))
    accounts = {day: {"state": "arrived"} for day in days}
    run.ledger.record_stages("ingest", accounts, "done", run_id=run.run_id, at=run.clock())
