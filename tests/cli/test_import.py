"""`tollgate import` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.cli.main import main
from tests.pipelines.importing.sources import write_days


def _import(folder: Path, *arguments: str, mapping: str = "handbook") -> int:
    with pytest.raises(SystemExit) as caught:
        main(["import", "--mapping", mapping, "--path", str(folder), *arguments])
    return int(caught.value.code or 0)


def test_days_land_and_the_range_to_ingest_is_told(
    new_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_days(tmp_path / "source", 0, 3)
    assert _import(folder, "--from", "2018-07-01", "--to", "2018-07-04", "--json") == 0
    account = json.loads(capsys.readouterr().out)
    assert {
        key: account[key]
        for key in ("days", "events", "positives", "reports", "reports_until", "ingest")
    } == {
        "days": 4,
        "events": 24,
        "positives": 12,
        "reports": 12,
        "reports_until": "2018-07-11",
        "ingest": {"from": "2018-07-01", "to": "2018-07-11"},
    }
    assert (
        len(list((new_home / "landing" / "fraud" / "transactions").glob("*/_MANIFEST.json"))) == 11
    )


def test_people_get_the_next_command(
    new_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_days(tmp_path / "source", 0, 3)
    assert _import(folder, "--from", "2018-07-01", "--to", "2018-07-02") == 0
    assert "tollgate run ingest --from 2018-07-01 --to 2018-07-02\n" in capsys.readouterr().out
    assert _import(folder, "--from", "2018-07-01", "--to", "2018-07-04") == 0
    assert (
        "--to 2018-07-11  (labels of the last days are reported after 2018-07-04)"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("first", "last", "mapping", "code", "message"),
    [
        ("2018-07-03", "2018-07-01", "handbook", 2, "reversed"),
        ("2018-07-1", "2018-07-03", "handbook", 2, "--from is not a calendar day"),
        ("2018-07-01", "2018-07-09", "handbook", 2, "lacks 5 of 9 days"),
        ("2018-07-01", "2018-07-02", "handbuch", 1, "one of handbook"),
    ],
)
def test_a_wrong_call_is_explained_and_writes_nothing(
    new_home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    first: str,
    last: str,
    mapping: str,
    code: int,
    message: str,
) -> None:
    folder = write_days(tmp_path / "source", 0, 3)
    assert _import(folder, "--from", first, "--to", last, mapping=mapping) == code
    assert message in capsys.readouterr().err
    assert not new_home.exists()


def test_a_rejected_row_comes_with_what_to_write_in_the_mapping(
    new_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    rows = (
        "7,2024-10-27 09:00:00,31,4,8.00,0",
        "8,2024-10-27 02:15:00,31,4,9.00,0",
        "9,2024-10-27",
    )
    (folder / "pay.csv").write_text("\n".join(["no,at,holder,till,sum,bad", *rows, ""]))
    mapping = tmp_path / "october.toml"
    mapping.write_text(
        '[source]\nfiles = "pay.csv"\nformat = "csv"\ntime_zone ='
        ' "Europe/Vienna"\n[events]\ntransaction_id = "no"\nevent_time = "at"\ncustomer_id ='
        ' "holder"\nterminal_id = "till"\namount = "sum"\n[labels]\ncolumn = "bad"\npositive ='
        " [1]\nnegative = [0]\ndelay_hours = 24\n"
    )
    assert _import(folder, "--from", "2024-10-27", "--to", "2024-10-27", mapping=str(mapping)) == 0
    said = capsys.readouterr().out
    assert "rows rejected, as they cannot be put on a day: 2\n" in said
    assert (
        'to import them: say which one is meant: events.event_time = { column = "at", ambiguous = "'
        in said
    )
    assert (
        "to import them: check source.delimiter, source.quote and source.encoding in the mapping\n"
        in said
    )
    assert "nothing was written" not in said
    assert "1 day: 1 events" in said
