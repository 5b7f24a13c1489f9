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
    assert {key: account[key] for key in ("days", "events", "positives", "reports", "reports_until", "ingest")} == {
        "days": 4, "events": 24, "positives": 12, "reports": 12, "reports_until": "2018-07-11",
        "ingest": {"from": "2018-07-01", "to": "2018-07-11"},
    }  # fmt: skip
    assert len(list((new_home / "landing" / "transactions").glob("*/_MANIFEST.json"))) == 11


def test_people_get_the_next_command(new_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_days(tmp_path / "source", 0, 3)
    assert _import(folder, "--from", "2018-07-01", "--to", "2018-07-02") == 0
    assert "tollgate run ingest --from 2018-07-01 --to 2018-07-02\n" in capsys.readouterr().out
    assert _import(folder, "--from", "2018-07-01", "--to", "2018-07-04") == 0
    assert "--to 2018-07-11  (labels of the last days are reported after 2018-07-04)" in capsys.readouterr().out


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
