"""Rows that an import could not read: ingest quarantines each under the rule that it breaks, and
accepts all others.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.base.days import DayRange
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.days import import_days
from pipelines.importing.mapping.definition import Mapping, parse_mapping
from pipelines.nightly.ingest.stage import ingest
from pipelines.run import Run
from pipelines.usecases.registry import load

pytestmark = pytest.mark.slow
FRAUD = load("fraud")
DAY = DayRange.parse("2026-11-02", "2026-11-02")
ROWS = 2_000
BAD = {
    7: ("amt", "abc", "amount_unreadable"),
    20: ("amt", "12.345", "amount_unreadable"),
    31: ("amt", "", "amount_missing"),
    44: ("amt", "-3", "amount_not_negative"),
    50: ("card", "0042", "customer_id_unreadable"),
    61: ("card", "4.95683E+18", "customer_id_unreadable"),
    72: ("shop", "", "terminal_id_missing"),
    83: ("shop", "4956828990005111019.0", "terminal_id_unreadable"),
}


def mapping(keyed: list[str]) -> Mapping:
    document = {
        "keyed": keyed,
        "source": {"files": "tx.csv", "format": "csv"},
        "events": {
            "transaction_id": "id",
            "event_time": "time",
            "customer_id": "card",
            "terminal_id": "shop",
            "amount": "amt",
        },
        "labels": {"column": "fraud", "positive": [1], "delay_hours": 168},
    }
    return parse_mapping(document, FRAUD, where="test")


def write(folder: Path) -> None:
    folder.mkdir()
    with (folder / "tx.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "time", "card", "shop", "amt", "fraud"])
        for number in range(ROWS):
            time = f"2026-11-02 {number * 24 // ROWS:02}:{number % 60:02}:00"
            row = {
                "id": number,
                "time": time,
                "card": number % 97 + 100,
                "shop": number % 31,
                "amt": "5.00",
                "fraud": 0,
            }
            if number in BAD:
                column, value, _ = BAD[number]
                row[column] = value
            writer.writerow(row.values())


@pytest.mark.parametrize("keyed", [[], ["customer_id", "terminal_id"]])
def test_each_is_quarantined_under_its_rule(
    make_run: Callable[..., Run], tmp_path: Path, keyed: list[str]
) -> None:
    run = make_run()
    write(tmp_path / "source")
    source = Source(tmp_path / "source", mapping(keyed), FRAUD.events, b"k" * 40)
    list(import_days(run.landing, source, FRAUD, DAY))
    account = ingest(run, DAY).accounts[DAY.first]
    # `0042` alone is an id as good as any other where ids may be text.
    expected = Counter(rule for number, (_, _, rule) in BAD.items() if not (keyed and number == 50))
    assert account.rules == dict(expected)
    events = account.feeds["transactions"]
    assert (events.rows_in, events.accepted, events.duplicates) == (
        ROWS,
        ROWS - expected.total(),
        0,
    )
    raw = " ".join(
        row["raw"] for row in run.lake.read("quarantine").select("raw").toArrow().to_pylist()
    )
    assert ("4.95683E+18" in raw) == (not keyed)
