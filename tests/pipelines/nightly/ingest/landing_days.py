"""Small landed days for the tests of ingest: good rows, the same rows as text, and ways to spoil
files.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from pipelines.landing.landing import Landing

Row = dict[str, Any]

EVENTS = pa.schema(
    [
        ("transaction_id", pa.int64()),
        ("event_time", pa.timestamp("us", "UTC")),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        ("amount", pa.decimal128(12, 2)),
    ]
)
REPORTS = pa.schema([("transaction_id", pa.int64()), ("reported_at", pa.timestamp("us", "UTC"))])
FIRST = date(2026, 11, 2)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def events(on: date, rows: int, *, start: int | None = None) -> list[Row]:
    """Good transactions of a day; ids begin at `start` (by default each day has ids of its own)."""
    first = (on - FIRST).days * 100_000 if start is None else start
    random = Random(f"{on}-{first}")
    midnight = datetime.combine(on, time(), UTC)
    return [
        {
            "transaction_id": first + n,
            "event_time": midnight + timedelta(microseconds=random.randrange(86_400_000_000)),
            "customer_id": random.randrange(200),
            "terminal_id": random.randrange(400),
            "amount": Decimal(random.randrange(1, 20_000)) / 100,
        }
        for n in range(rows)
    ]


def reports(on: date, ids: Sequence[int]) -> list[Row]:
    noon = datetime.combine(on, time(12), UTC)
    return [
        {"transaction_id": number, "reported_at": noon + timedelta(seconds=number % 3600)}
        for number in ids
    ]


def land(
    landing: Landing,
    on: date,
    *parts: Sequence[Row],
    feed: str = "transactions",
    with_reports: bool = True,
) -> None:
    """Land Parquet parts; by default with a day of no fraud reports beside it."""
    schema = EVENTS if feed == "transactions" else REPORTS
    landing.write_day(feed, on, [pa.Table.from_pylist(list(part), schema=schema) for part in parts])
    if feed == "transactions" and with_reports:
        landing.write_day("fraud_reports", on, [])


def land_text(
    landing: Landing, on: date, rows: Sequence[Mapping[str, str | None]], *extra_lines: str
) -> None:
    """Land one gzipped CSV part as a sender would write it, further lines as they are, and no fraud
    reports.
    """
    put(landing, on, {"part-0.csv.gz": text_file(rows, *extra_lines)})


def text_file(rows: Sequence[Mapping[str, str | None]], *extra_lines: str) -> tuple[bytes, int]:
    """A gzipped CSV file and its number of rows."""
    lines = [
        ",".join(EVENTS.names),
        *(",".join(row[name] or "" for name in EVENTS.names) for row in rows),
    ]
    return gzip.compress("\n".join([*lines, *extra_lines, ""]).encode()), len(rows) + len(
        extra_lines
    )


def put(
    landing: Landing, on: date, files: Mapping[str, tuple[bytes, int]], feed: str = "transactions"
) -> None:
    """Land files by their bytes and the number of rows that the manifest is to promise."""
    landing.remove_day(feed, on)
    for name, (content, _) in files.items():
        landing.storage.write(f"{feed}/{on}/{name}", content)
    entries = [
        {"name": name, "rows": rows, "sha256": hashlib.sha256(content).hexdigest()}
        for name, (content, rows) in files.items()
    ]
    landing.storage.write(f"{feed}/{on}/_MANIFEST.json", json.dumps({"files": entries}).encode())
    if feed == "transactions":
        landing.write_day("fraud_reports", on, [])


def as_text(row: Row) -> dict[str, str | None]:
    return {
        **{name: str(value) for name, value in row.items()},
        "event_time": f"{row['event_time']:%Y-%m-%d %H:%M:%S.%f}Z",
    }


def tamper(
    landing: Landing,
    on: date,
    name: str,
    change: Callable[[bytes], bytes],
    feed: str = "transactions",
) -> None:
    """Change a landed file's bytes and leave its manifest as it is."""
    path = Path(landing.address) / feed / str(on) / name
    path.write_bytes(change(path.read_bytes()))


def promise(landing: Landing, on: date, feed: str = "transactions", **changes: Any) -> None:
    """Change what the manifest says of the day's first file."""
    path = Path(landing.address) / feed / str(on) / "_MANIFEST.json"
    document = json.loads(path.read_text())
    document["files"][0].update(changes)
    path.write_text(json.dumps(document))
