"""Other ways to the same fifteen features, for comparison: DuckDB, Spark's `rangeBetween`, and the
handbook's pandas.

All three take the handbook's shortcut: reports come exactly seven days after the event, so that a
rate is a plain window over the frauds, and events of one instant all see one another. The engine
does neither.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from benchmarks.feature_lake import BenchLake

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

WINDOWS = (1, 7, 30)
DELAY = 7


def duckdb_features(lake: BenchLake, target: Path, *, by_day: bool) -> None:
    """Read the lake's Parquet files, compute, write Parquet: one file, or one folder a day; two
    threads.
    """
    shape = (
        "FORMAT parquet, PARTITION_BY (day), OVERWRITE_OR_IGNORE" if by_day else "FORMAT parquet"
    )
    entities = {"customer": 0, "terminal": DELAY}
    windows = ", ".join(
        f"{entity}_{days} AS ({_duckdb_window(entity, days, delay)})"
        for (entity, delay), days in product(entities.items(), WINDOWS)
    )
    with duckdb.connect() as connection:
        connection.sql(
            "SET threads = 2; SET TimeZone = 'UTC'; SET preserve_insertion_order = false"
        )
        connection.sql(f"""COPY (
            WITH e AS (
              SELECT t.transaction_id, event_time, customer_id, terminal_id, (amount * 100)::BIGINT AS cents,
                     (reported_at IS NOT NULL)::BIGINT AS fraud, t.day
              FROM read_parquet('{lake.files("transactions")}', hive_partitioning = true) t
              LEFT JOIN read_parquet('{lake.files("fraud_reports")}') r USING (transaction_id))
            SELECT transaction_id, event_time, customer_id, terminal_id, cents / 100 AS amount,
                   (isodow(event_time) >= 6)::BIGINT AS is_weekend, (hour(event_time) <= 6)::BIGINT AS is_night,
                   {_duckdb_columns()}, day
            FROM e WINDOW {windows}) TO '{target}' ({shape})""")  # noqa: E501


def _duckdb_window(entity: str, days: int, delay: int) -> str:
    first, last = (
        f"INTERVAL '{days + delay} days' - INTERVAL 1 MICROSECOND",
        f"INTERVAL '{delay} days'",
    )
    return (
        f"PARTITION BY {entity}_id ORDER BY event_time RANGE BETWEEN {first} PRECEDING AND {last}"
        " PRECEDING"
    )


def _duckdb_columns() -> str:
    columns = []
    for days in WINDOWS:
        columns += [f"count(*) OVER customer_{days} AS customer_tx_count_{days}d"]
        columns += [f"avg(cents) OVER customer_{days} / 100 AS customer_amount_mean_{days}d"]
    for days in WINDOWS:
        columns += [f"count(*) OVER terminal_{days} AS terminal_tx_count_{days}d"]
        columns += [f"coalesce(avg(fraud) OVER terminal_{days}, 0) AS terminal_fraud_rate_{days}d"]
    return ", ".join(columns)


def spark_range_features(events: DataFrame) -> DataFrame:
    """`events` (with `reported_at`) by Spark's own windows over ranges."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    day = 86_400_000_000
    narrow = events.withColumns(
        {
            "micros": f.unix_micros("event_time"),
            "fraud": f.col("reported_at").isNotNull().cast("bigint"),
        }
    )
    columns: dict[str, Any] = {
        "is_weekend": (f.dayofweek("event_time").isin(1, 7)).cast("bigint"),
        "is_night": (f.hour("event_time") <= 6).cast("bigint"),
    }
    for days in WINDOWS:
        window = Window.partitionBy("customer_id").orderBy("micros").rangeBetween(1 - days * day, 0)
        columns[f"customer_tx_count_{days}d"] = f.count("*").over(window)
        columns[f"customer_amount_mean_{days}d"] = f.avg("amount").over(window)
    for days in WINDOWS:
        window = Window.partitionBy("terminal_id").orderBy("micros")
        window = window.rangeBetween(1 - (days + DELAY) * day, -DELAY * day)
        columns[f"terminal_tx_count_{days}d"] = f.count("*").over(window)
        columns[f"terminal_fraud_rate_{days}d"] = f.coalesce(
            f.avg("fraud").over(window), f.lit(0.0)
        )
    return narrow.withColumns(columns).drop("micros", "fraud", "reported_at", "source_day")


def handbook_customers(events: pd.DataFrame) -> pd.DataFrame:
    """The handbook's customer features (chapter 3): rolling windows within `groupby().apply()`."""
    return events.groupby("customer_id", group_keys=False)[events.columns.tolist()].apply(_spending)


def handbook_terminals(events: pd.DataFrame) -> pd.DataFrame:
    """The handbook's terminal features, likewise."""
    return events.groupby("terminal_id", group_keys=False)[events.columns.tolist()].apply(_risk)


def _spending(of_customer: pd.DataFrame) -> pd.DataFrame:
    of_customer = of_customer.sort_values("event_time")
    of_customer.index = of_customer.event_time
    for days in WINDOWS:
        total = of_customer["amount"].rolling(f"{days}d").sum()
        count = of_customer["amount"].rolling(f"{days}d").count()
        of_customer[f"customer_tx_count_{days}d"] = list(count)
        of_customer[f"customer_amount_mean_{days}d"] = list(total / count)
    of_customer.index = of_customer.transaction_id
    return of_customer


def _risk(at_terminal: pd.DataFrame) -> pd.DataFrame:
    at_terminal = at_terminal.sort_values("event_time")
    at_terminal.index = at_terminal.event_time
    frauds = at_terminal["fraud"].rolling(f"{DELAY}d").sum()
    count = at_terminal["fraud"].rolling(f"{DELAY}d").count()
    for days in WINDOWS:
        frauds_longer = at_terminal["fraud"].rolling(f"{DELAY + days}d").sum()
        count_longer = at_terminal["fraud"].rolling(f"{DELAY + days}d").count()
        at_terminal[f"terminal_tx_count_{days}d"] = list(count_longer - count)
        at_terminal[f"terminal_fraud_rate_{days}d"] = list(
            (frauds_longer - frauds) / (count_longer - count)
        )
    at_terminal.index = at_terminal.transaction_id
    return at_terminal.fillna(0)
