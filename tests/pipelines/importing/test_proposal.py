"""Mappings proposed from files in many forms: what is found is read as it was meant, what is not is
said.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.cli.main import main
from pipelines.importing.mapping.definition import load_mapping
from pipelines.importing.mapping.schema import schema_text
from pipelines.importing.proposal.preview import Preview, preview
from pipelines.importing.proposal.proposal import propose
from pipelines.usecases.registry import load

FRAUD = load("fraud")
TIMES = [
    datetime(2026, 3, 14, 9, 30, tzinfo=UTC) + timedelta(hours=7 * number) for number in range(40)
]
LABELS = [int(number % 10 == 0) for number in range(40)]


def _rows(
    amount: str = "{}.{:02d}", label: tuple[str, str] = ("0", "1"), time: str = "%Y-%m-%d %H:%M:%S"
) -> list[list[str]]:
    return [
        [
            str(1000 + number),
            moment.strftime(time),
            str(number % 7),
            str(number % 3),
            amount.format(number + 1, number),
            label[LABELS[number]],
        ]
        for number, moment in enumerate(TIMES)
    ]


def _write(
    path: Path, header: str, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8"
) -> Path:
    text = (
        "\r\n".join([header.replace(",", delimiter), *(delimiter.join(row) for row in rows)])
        + "\r\n"
    )
    path.write_bytes(
        gzip.compress(text.encode(encoding)) if path.suffix == ".gz" else text.encode(encoding)
    )
    return path


def _look(tmp_path: Path, file: Path, **columns: Any) -> tuple[dict[str, Any], Preview]:
    """The proposal for a file, and what an import through it alone would read."""
    proposal = propose(file, FRAUD, **columns)
    assert proposal.to_fill_in == ()
    (tmp_path / "my.toml").write_text(proposal.text, encoding="utf-8")
    document = tomllib.loads(proposal.text)
    jsonschema.validate(document, json.loads(schema_text(FRAUD)))
    seen = preview(file.parent, load_mapping(str(tmp_path / "my.toml"), FRAUD), FRAUD, b"k" * 40)
    assert seen.refusal is None
    assert [column.unreadable + column.empty for column in seen.columns] == [0] * 5
    assert (seen.labels.of("positive"), seen.labels.of("negative")) == (4, 36)
    assert seen.hours == [
        sum(1 for candidate in TIMES if candidate.hour == hour) for hour in range(24)
    ]
    return document, seen


HEADER = "TransactionID,TX_DATETIME,customer,terminal,amount,is_fraud"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    header = HEADER.replace("terminal", "terminal_ü")
    document, _ = _look(tmp_path, _write(tmp_path / "a.csv", header, _rows(), ";", encoding))
    assert document["source"]["delimiter"] == ";"
    assert document["events"]["terminal_id"] == "terminal_ü"


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_separators_and_gzip(tmp_path: Path, delimiter: str) -> None:
    _look(tmp_path, _write(tmp_path / "a.csv.gz", HEADER, _rows(), delimiter))


@pytest.mark.parametrize(
    "time",
    [
        "%Y-%m-%dT%H:%M:%SZ",
        "%d.%m.%Y %H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M %p",
        "%Y-%m-%d %H:%M:%S.%f",
        "%s",
    ],
)
def test_times(tmp_path: Path, time: str) -> None:
    rows = _rows(time=time)
    if time == "%s":
        for row, moment in zip(rows, TIMES, strict=True):
            row[1] = str(int(moment.timestamp() * 1000))
    _, seen = _look(tmp_path, _write(tmp_path / "a.csv", HEADER, rows, ";"))
    assert min(seen.days) == "2026-03-14"


@pytest.mark.parametrize(
    ("amount", "declared"),
    [
        ("{},{:02d}", {"decimal": ","}),
        ("1.2{:02d},{:02d}", {"decimal": ",", "thousands": "."}),
        ("€ {}.{:02d}", {"currency": "€"}),
        ("{}.{:02d}5", {"round": "half_up"}),
    ],
)
def test_numbers(tmp_path: Path, amount: str, declared: dict[str, str]) -> None:
    document, _ = _look(tmp_path, _write(tmp_path / "a.csv", HEADER, _rows(amount), ";"))
    assert document["events"]["amount"] == {"column": "amount", **declared}


@pytest.mark.parametrize("label", [("no", "yes"), ("False", "True"), ("N", "Y")])
def test_labels(tmp_path: Path, label: tuple[str, str]) -> None:
    _look(tmp_path, _write(tmp_path / "a.csv", HEADER, _rows(label=label)))


def test_a_date_in_the_name_stands_for_the_day(tmp_path: Path) -> None:
    file = _write(tmp_path / "tx_2026-03-14.csv", HEADER, _rows())
    assert tomllib.loads(propose(file, FRAUD).text)["source"]["files"] == "tx_{day}.csv"


def test_parquet_with_a_nested_column(tmp_path: Path) -> None:
    rows = _rows()
    table = pa.table(
        {
            "payload": [{"a": 1}] * 40,
            "tx_id": pa.array(range(40), pa.int64()),
            "tx_time": pa.array(TIMES, pa.timestamp("ms", tz="UTC")),
            "card": pa.array([row[2] for row in rows]).dictionary_encode(),
            "merchant": pa.array([f"shop {row[3]}" for row in rows], pa.large_string()),
            "amt": pa.array([float(row[4]) for row in rows]),
            "fraud": pa.array([bool(label) for label in LABELS]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    document, _ = _look(tmp_path, tmp_path / "a.parquet")
    assert document["keyed"] == ["terminal_id"]


def test_what_cannot_be_found_is_left_to_be_filled_in_and_named_by_the_loader(
    tmp_path: Path,
) -> None:
    file = _write(tmp_path / "a.csv", "a,b,c,d,e,f", _rows())
    proposal = propose(file, FRAUD)
    assert {"events.customer_id", "labels.column"} <= set(proposal.to_fill_in)
    (tmp_path / "my.toml").write_text(proposal.text)
    with pytest.raises(ConfigurationError) as caught:
        load_mapping(str(tmp_path / "my.toml"), FRAUD)
    assert [
        key for key in proposal.to_fill_in if f"{key}: 'FILL IN'" not in caught.value.found
    ] == []
    given = {"customer_id": "c", "terminal_id": "d", "amount": "e"}
    document, _ = _look(tmp_path, file, time=["b"], key="a", label="f", chosen=given)
    assert document["events"]["transaction_id"] == "a"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"a\0b\n1,2\n", b"PK\x03\x04rest", b"PAR1 but no more", b"\x1f\x8bno gzip"],
)
def test_a_file_that_is_none_is_told_in_one_block(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ConfigurationError, match="no mapping can be proposed") as caught:
        propose(tmp_path / "a.csv", FRAUD)
    assert caught.value.where == str(tmp_path / "a.csv")


def test_a_folder_and_a_wrong_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        propose(tmp_path, FRAUD)
    with pytest.raises(UsageError, match="no column zeit"):
        propose(_write(tmp_path / "a.csv", HEADER, _rows()), FRAUD, time=["zeit"])


def test_a_check_tells_what_the_import_would_refuse(tmp_path: Path) -> None:
    rows = _rows()
    for row in rows:
        row[5] = "perhaps" if row[5] == "1" else "0"
    file = _write(tmp_path / "a.csv", HEADER, rows)
    text = propose(_write(tmp_path / "b.csv", HEADER, _rows()), FRAUD).text.replace(
        "b.csv", "a.csv"
    )
    (tmp_path / "my.toml").write_text(text)
    seen = preview(file.parent, load_mapping(str(tmp_path / "my.toml"), FRAUD), FRAUD, b"")
    assert seen.refusal is not None
    assert "4 of 40 rows have a label" in seen.refusal.what
    assert seen.to_json()["refused"]["found"].startswith("0: 36 (negative)")


def test_the_commands_say_by_their_exit_code_whether_the_way_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    file, mapping = _write(tmp_path / "a.csv", HEADER, _rows()), tmp_path / "my.toml"
    unclear = _write(tmp_path / "b.csv", "a,b,c,d,e,f", _rows())
    calls = [
        (["mapping", "new", str(file), "--output", str(mapping)], 0),
        (["mapping", "new", str(file), "--output", str(mapping)], 2),
        (["mapping", "new", str(unclear)], 1),
        (["import", "--check", "--mapping", str(mapping), "--path", str(tmp_path)], 0),
        (["import", "--check", "--mapping", str(mapping), "--path", str(tmp_path / "no")], 2),
        (["import", "--mapping", str(mapping), "--path", str(tmp_path)], 2),
    ]
    for arguments, expected in calls:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert (arguments, caught.value.code or 0) == (arguments, expected)
    assert "events by hour of the day (UTC)" in capsys.readouterr().out
    assert not (tmp_path / "home" / "landing").exists()
    assert not (tmp_path / "home" / "keys").exists()


@pytest.mark.parametrize(
    "key",
    ['delimiter = "ä"', 'quote = "ä"', 'delimiter = "\\n"', 'quote = ","', 'encoding = "punycode"'],
)
def test_signs_and_encodings_that_no_file_is_read_with_are_refused_by_the_mapping(
    tmp_path: Path, key: str
) -> None:
    text = propose(_write(tmp_path / "a.csv", HEADER, _rows()), FRAUD).text
    kept = [line for line in text.splitlines() if not line.startswith(key.split()[0])]
    kept.insert(kept.index("[source]") + 1, key)
    (tmp_path / "my.toml").write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="source"):
        load_mapping(str(tmp_path / "my.toml"), FRAUD)


def test_times_that_no_calendar_holds_are_counted_not_a_crash(tmp_path: Path) -> None:
    table = pa.table({name: pa.array(range(40)) for name in ("id", "card", "shop")})
    table = table.append_column(
        "time", pa.array([2**62] * 40).cast(pa.timestamp("us", tz="Mars/Olympus"))
    )
    table = table.append_column("amount", pa.array([1.5] * 40)).append_column(
        "fraud", pa.array(LABELS)
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert "events.event_time" not in propose(tmp_path / "a.parquet", FRAUD).to_fill_in
    naive = table.set_column(3, "time", table["time"].cast(pa.timestamp("us")))
    pq.write_table(naive, tmp_path / "a.parquet")
    (tmp_path / "my.toml").write_text(propose(tmp_path / "a.parquet", FRAUD).text)
    seen = preview(tmp_path, load_mapping(str(tmp_path / "my.toml"), FRAUD), FRAUD, b"k" * 40)
    assert seen.refusal is not None
    assert "40 of 40 rows have no time" in seen.refusal.what


def test_a_file_without_rows_is_no_import(tmp_path: Path) -> None:
    text = propose(_write(tmp_path / "b.csv", HEADER, _rows()), FRAUD).text.replace(
        "b.csv", "a.csv"
    )
    (tmp_path / "my.toml").write_text(text)
    _write(tmp_path / "a.csv", HEADER, [])
    seen = preview(tmp_path, load_mapping(str(tmp_path / "my.toml"), FRAUD), FRAUD, b"")
    assert seen.refusal is not None
    assert seen.refusal.what == "the sample holds no event"
