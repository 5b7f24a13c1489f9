"""Sixty pipe-separated files with a date and a time column, card numbers, names: imported by a
mapping alone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from pipelines.base.days import DayRange
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.claims import Claims
from pipelines.importing.landed.days import import_days
from pipelines.importing.mapping.definition import parse_mapping
from pipelines.importing.proposal.file_form import form_of
from pipelines.importing.proposal.proposal import propose
from pipelines.landing.landing import Landing
from pipelines.usecases.registry import load
from tests.pipelines.importing.sources import contents, landed_rows, landing_in

FRAUD = load("fraud")
KEY = b"k" * 40
FIRST, FILES, ROWS, DAYS = date(2019, 3, 1), 60, 6, 10
HEADER = (
    "ssn|cc_num|first|last|gender|street|dob|acct_num|profile|trans_num|trans_date|trans_time|unix_time|category|amt"
    "|is_fraud|merchant|merch_lat|merch_long"
)


def _card(person: int) -> str:
    """A number of 16 digits with a right check digit."""
    body = f"4{person:014d}"
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"


def _row(person: int, number: int) -> tuple[str, datetime, bool]:
    event = person * ROWS + number
    time = datetime(2019, 3, 1, tzinfo=UTC) + timedelta(
        seconds=event * 86_400 * DAYS // (FILES * ROWS)
    )
    fraud = event % 9 == 0
    fields = [
        f"999-00-{person:04d}",
        _card(person),
        "Zebulon",
        f"Quixote{person}",
        "F",
        "1 Elm St",
        "1980-02-03",
        f"77{person:08d}",
        "adults.json",
        f"{event:024x}e{event:07d}",
        f"{time:%Y-%m-%d}",
        f"{time:%H:%M:%S}",
        str(int(time.timestamp()) + 12345),
        "grocery_pos",
        f"{event / 7 + 1:.2f}",
        str(int(fraud)),
        f"fraud_Kirlin {event % 11}",
        "31.5",
        "-92.1",
    ]
    return "|".join(fields), time, fraud


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    for person in range(FILES):
        rows = [_row(person, number)[0] for number in range(ROWS)]
        (folder / f"adults_{person:02d}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def _document(files: object) -> dict[str, object]:
    return {
        "keyed": ["transaction_id", "customer_id", "terminal_id"],
        "source": {"files": files, "format": "csv", "delimiter": "|"},
        "events": {
            "transaction_id": {"column": "trans_num", "kind": "text"},
            "event_time": {"columns": ["trans_date", "trans_time"]},
            "customer_id": "cc_num",
            "terminal_id": {"column": "merchant", "kind": "text"},
            "amount": "amt",
        },
        "labels": {"column": "is_fraud", "positive": [1], "negative": [0], "delay_hours": 168},
    }


def _import(home: Path, folder: Path, files: object) -> Landing:
    landing = landing_in(home / "landing")
    mapping = parse_mapping(_document(files), FRAUD, where="test")
    source = Source(folder, mapping, FRAUD.events, KEY)
    span = source._span
    assert span is not None
    list(import_days(landing, source, FRAUD, span, claims=Claims(home / "imports")))
    return landing


def test_sixty_files_land_row_by_row_with_their_labels_and_without_who_they_are(
    tmp_path: Path, generated: Path
) -> None:
    landing = _import(tmp_path, generated, "*.csv")
    expected = [_row(person, number) for person, number in product(range(FILES), range(ROWS))]
    days = DayRange(FIRST, FIRST + timedelta(days=DAYS - 1))
    events = landed_rows(landing, "transactions", days, tmp_path)
    assert sorted(row["event_time"] for row in events) == sorted(time for _, time, _ in expected)
    assert len({row["transaction_id"] for row in events}) == FILES * ROWS
    assert len({row["customer_id"] for row in events}) == FILES
    assert len({row["terminal_id"] for row in events}) == 11
    reports = landed_rows(landing, "fraud_reports", days.widened(after=7), tmp_path)
    assert sorted(row["reported_at"] for row in reports) == sorted(
        time + timedelta(days=7) for _, time, fraud in expected if fraud
    )
    secrets = [
        b"Zebulon",
        b"Quixote",
        b"Kirlin",
        b"999-00-",
        *(_card(person).encode() for person in range(FILES)),
    ]
    numbers = [int(_card(person)).to_bytes(8, "little") for person in range(FILES)]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert [text for text in [*secrets, *numbers] if text in content] == []


@pytest.mark.parametrize(
    "halves",
    [("adults_[0-2]?.csv", "adults_[3-5]?.csv"), ("adults_?[13579].csv", "adults_?[02468].csv")],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_half_of_the_files_and_then_the_others_land_the_bytes_of_one_call(
    tmp_path: Path, generated: Path, halves: tuple[str, str], backwards: bool
) -> None:
    whole = _import(tmp_path / "one", generated, "*.csv")
    for half in reversed(halves) if backwards else halves:
        several = _import(tmp_path / "several", generated, half)
    assert contents(several) == contents(whole)


def test_the_mapping_is_proposed_from_one_of_the_files(generated: Path) -> None:
    import tomllib

    proposal = propose(generated / "adults_00.csv", FRAUD)
    assert proposal.to_fill_in == ()
    document = tomllib.loads(proposal.text)
    expected = _document("adults_00.csv")
    assert {key: document[key] for key in ("keyed", "events", "labels")} == {
        key: expected[key] for key in ("keyed", "events", "labels")
    }
    assert form_of(generated / "adults_00.csv").delimiter == "|"
    assert "Zebulon" not in proposal.text
