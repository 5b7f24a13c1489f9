"""`tollgate import` called again: other files for the same days, the same days in pieces, corrected
files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.cli.main import main

HEADER = "id,time,card,shop,amt,fraud"
MAPPING = """
[source]
files = "tx.csv"
format = "csv"
[events]
transaction_id = "id"
event_time = "time"
customer_id = "card"
terminal_id = "shop"
amount = "amt"
[labels]
column = "fraud"
positive = [1]
negative = [0]
delay_hours = {delay}
"""


@dataclass
class Caller:
    """Imports files and says what has landed."""

    folder: Path
    home: Path
    capture: pytest.CaptureFixture[str]

    def __call__(
        self, name: str, first: int, last: int, *options: str, delay: int = 168
    ) -> tuple[int, str]:
        """The exit code and all that was printed of importing the folder `name`, days of March
        2024.
        """
        (self.folder / "map.toml").write_text(MAPPING.format(delay=delay))
        days = ["--from", f"2024-03-{first:02}", "--to", f"2024-03-{last:02}"]
        with pytest.raises(SystemExit) as ending:
            main(
                [
                    "import",
                    "--mapping",
                    str(self.folder / "map.toml"),
                    "--path",
                    str(self.folder / name),
                    *days,
                    *options,
                ]
            )
        said = self.capture.readouterr()
        return int(ending.value.code or 0), said.out + said.err

    def write(self, name: str, *rows: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True)
        path = self.folder / name / "tx.csv"
        path.write_text("\n".join([HEADER, *rows, ""]))
        return path

    def landed(self, feed: str, day: int) -> list[int]:
        """The ids that a day of the feed holds."""
        return [row["transaction_id"] for row in self.rows(feed, day)]

    def rows(self, feed: str, day: int) -> list[dict[str, Any]]:
        path = self.home / "landing" / "fraud" / feed / f"2024-03-{day:02}" / "part-0.parquet"
        return list(pq.read_table(path, partitioning=None).to_pylist()) if path.is_file() else []

    def contents(self) -> dict[str, bytes]:
        root = self.home / "landing" / "fraud"
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def importing(new_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Caller:
    return Caller(tmp_path, new_home, capsys)


def event(
    number: int, day: int, fraud: int, hour: int = 10, amount: str = "5.00", customer: int = 11
) -> str:
    return f"{number},2024-03-{day:02} {hour:02}:00:00,{customer},21,{amount},{fraud}"


def test_the_next_file_takes_nothing_from_the_one_before(importing: Caller) -> None:
    importing.write("north", *(event(n, 1 + n // 4, 1, hour=n) for n in range(8)))
    importing.write("south", event(8, 2, 0, hour=20), event(9, 3, 0), event(10, 3, 1))
    assert importing("north", 1, 2)[0] == 0
    assert importing("south", 2, 3)[0] == 0
    assert importing.landed("transactions", 2) == [4, 5, 6, 7, 8]
    assert importing.landed("fraud_reports", 8) == [0, 1, 2, 3]
    assert importing.landed("fraud_reports", 9) == [4, 5, 6, 7]
    assert importing.landed("fraud_reports", 10) == [10]


@pytest.mark.parametrize("delay", [110, 24, 1, 167, 0])
def test_one_day_again_takes_no_report_of_the_next(importing: Caller, delay: int) -> None:
    importing.write("north", *(event(n, 1 + n // 4, 1, hour=6 * (n % 4)) for n in range(12)))
    assert importing("north", 1, 3, delay=delay)[0] == 0
    before = importing.contents()
    for day in (1, 3, 2):
        assert importing("north", day, day, delay=delay)[0] == 0
    assert importing.contents() == before


def test_the_share_in_the_home_counts_each_event_with_its_report(importing: Caller) -> None:
    importing.write("north", *(event(n, 1 + n // 4, int(n % 4 == 0)) for n in range(12)))
    assert "of the events landed before" not in importing("north", 1, 3)[1]
    for day in (1, 3):
        assert (
            "of the events landed before, 25.00% have a report" in importing("north", day, day)[1]
        )


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (event(1, 1, 0, amount="6.00"), "content"),
        (event(1, 1, 1), "label"),
        (event(1, 2, 0), "day"),
        (event(1, 1, 0, amount="abc"), "content"),
    ],
)
def test_what_another_source_says_differently_is_refused_and_both_are_named(
    importing: Caller, changed: str, what: str
) -> None:
    north = importing.write("north", event(1, 1, 0), event(2, 1, 1))
    south = importing.write("south", changed, event(3, 2, 0), event(4, 1, 0))
    assert importing("north", 1, 1)[0] == 0
    before = importing.contents()
    for options in ((), ("--replace",)):
        code, said = importing("south", 1, 2, *options)
        assert code == 1
        assert f"1 events are there already with another {what}" in said
        assert str(north) in said
        assert str(south) in said
        assert importing.contents() == before


def test_a_corrected_file_replaces_on_request_what_it_had_landed_and_nothing_else(
    importing: Caller,
) -> None:
    importing.write("north", event(1, 1, 1), event(2, 1, 0), event(3, 2, 1))
    importing.write("south", event(4, 1, 1), event(2, 1, 0))
    assert importing("north", 1, 2)[0] == 0
    assert importing("south", 1, 1)[0] == 0
    importing.write("north", event(1, 1, 1, amount="7.00"), event(3, 2, 0))
    code, said = importing("north", 1, 2)
    assert code == 1
    assert "--replace" in said
    assert importing("north", 1, 1, "--replace")[0] == 0
    assert [
        (row["transaction_id"], str(row["amount"])) for row in importing.rows("transactions", 1)
    ] == [
        (1, "7.00"),
        (2, "5.00"),
        (4, "5.00"),
    ], "event 2 stays, as the other source has it too"
    assert importing.landed("fraud_reports", 9) == [3], (
        "of the day that was not asked for nothing changes"
    )
    assert importing("north", 2, 2, "--replace")[0] == 0
    assert importing.landed("fraud_reports", 9) == []
    assert importing.landed("fraud_reports", 8) == [1, 4]


def test_a_corrected_file_elsewhere_is_the_same_source_where_the_call_says_so(
    importing: Caller,
) -> None:
    importing.write("north", event(1, 1, 0), event(2, 1, 1))
    importing.write("corrected", event(1, 1, 0))
    assert importing("north", 1, 1, "--source", "bank")[0] == 0
    assert importing("corrected", 1, 1, "--source", "bank", "--replace")[0] == 0
    assert importing.landed("transactions", 1) == [1]
    assert importing.landed("fraud_reports", 8) == []


def test_a_bad_value_that_was_corrected_is_taken_away_as_text_too(importing: Caller) -> None:
    importing.write("north", event(1, 1, 0, amount="abc"), event(2, 1, 1))
    assert importing("north", 1, 1)[0] == 0
    folder = importing.home / "landing" / "fraud" / "transactions" / "2024-03-01"
    assert (folder / "part-1.csv.gz").is_file()
    importing.write("north", event(1, 1, 0), event(2, 1, 1))
    assert importing("north", 1, 1, "--replace")[0] == 0
    assert importing.landed("transactions", 1) == [1, 2]
    assert sorted(path.name for path in folder.iterdir()) == ["_MANIFEST.json", "part-0.parquet"]


def test_rows_that_came_another_way_are_not_replaced_unawares(
    importing: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing.write("north", event(1, 1, 0), event(2, 1, 1))
    assert importing("north", 1, 1)[0] == 0
    for path in (importing.home / "fraud" / "imports" / "transactions").iterdir():
        path.unlink()
    assert importing("north", 1, 1)[0] == 0, "the same rows contradict nothing"
    for path in (importing.home / "fraud" / "imports" / "transactions").iterdir():
        path.unlink()
    importing.write("north", event(1, 1, 0, amount="6.00"), event(2, 1, 1))
    code, said = importing("north", 1, 1, "--replace")
    assert code == 1
    assert "unrecorded" in said


def test_the_account_ends_with_labels_rules_and_shares(importing: Caller) -> None:
    importing.write("north", *(event(n, 1 + n % 2, int(n < 10)) for n in range(100)))
    assert importing("north", 1, 2)[0] == 0
    rows = [event(n, 3, int(n == 100)) for n in range(100, 200)]
    rows[5] = event(105, 3, 0, amount="\x1b[2Jabc")
    importing.write("south", *rows, "200,soon,11,21,5.00,0")
    code, said = importing("south", 3, 3)
    assert code == 0
    assert (
        "1.00% of the known labels are positive; of the events landed before, 10.00% have a report"
        in said
    )
    assert "amount_unreadable: 1 row; tx.csv row 6: amt '\\x1b[2Jabc'" in said.replace("\\\\", "\\")
    assert "event_time_unreadable: 1 row; tx.csv row 101: time 'soon'" in said
    assert "\x1b[2J" not in said
    code, said = importing("south", 3, 3, "--json")
    document = json.loads(said)
    assert document["labels"] == [
        {"value": "0", "meaning": "negative", "rows": 99},
        {"value": "1", "meaning": "positive", "rows": 1},
    ]
    assert document["rows"] == {
        "read": 101,
        "filtered": 0,
        "rejected": 1,
        "to_be_quarantined": 1,
        "more_than_ingest_takes": True,
        "repeated": 0,
    }
    assert Path(document["rejected_file"]).read_text().splitlines() == [
        "file,row,rule,column,value",
        "tx.csv,101,event_time_unreadable,time,soon",
    ]


def _checked(importing: Caller, name: str, *options: str) -> tuple[int, dict[str, Any], list[str]]:
    """Exit code, document and the states of the days of `import --check --json`; nothing may have
    been written.
    """
    before = importing.contents()
    code, said = importing(name, 1, 4, "--check", "--json", *options)
    document: dict[str, Any] = json.JSONDecoder().raw_decode(said)[0]
    assert importing.contents() == before
    return code, document, [each["state"] for each in document["landed"]]


def test_a_check_says_which_days_are_new_the_same_or_added_to(importing: Caller) -> None:
    importing.write("north", *(event(n, 1 + n // 4, 1, hour=n % 4) for n in range(12)))
    code, document, states = _checked(importing, "north")
    assert (code, states) == (0, ["new", "new", "new"])
    assert importing("north", 1, 2)[0] == 0
    importing.write(
        "north", *(event(n, 1 + n // 4, 1, hour=n % 4) for n in range(12)), event(20, 2, 1)
    )
    code, document, states = _checked(importing, "north")
    assert (code, states) == (0, ["same", "added to", "new"])
    added = [(each["events_added"], each["reports_added"]) for each in document["landed"]]
    assert added == [(0, 0), (1, 1), (4, 4)]
    assert importing("north", 1, 3)[0] == 0
    assert _checked(importing, "north")[2] == ["same", "same", "same"]


@pytest.mark.parametrize("name", ["north", "south"])
def test_a_check_refuses_the_contradictions_that_the_import_refuses(
    importing: Caller, name: str
) -> None:
    importing.write("north", event(1, 1, 0), event(2, 2, 1), event(3, 3, 0))
    assert importing("north", 1, 3)[0] == 0
    importing.write(name, event(1, 1, 0), event(2, 2, 1, amount="9.00"), event(3, 3, 1))
    code, document, states = _checked(importing, name)
    assert (code, states) == (1, ["same", "refused", "refused"])
    assert [each["refused"]["what"].split()[-1] for each in document["landed"][1:]] == [
        "content",
        "label",
    ]
    refused, said = importing(name, 1, 3)
    assert refused == 1
    assert document["refused"]["found"] in said
    if name == "north":
        code, document, states = _checked(importing, name, "--replace")
        assert (code, states) == (0, ["same", "corrected", "added to"])
        assert (document["landed"][1]["events_added"], document["landed"][1]["events_removed"]) == (
            1,
            1,
        )


def test_a_check_without_days_compares_a_source_that_it_has_read_whole(importing: Caller) -> None:
    importing.write("north", event(1, 1, 0), event(2, 3, 1))
    assert importing("north", 1, 3)[0] == 0
    folder = importing.folder
    with pytest.raises(SystemExit):
        main(
            [
                "import",
                "--check",
                "--mapping",
                str(folder / "map.toml"),
                "--path",
                str(folder / "north"),
            ]
        )
    said = importing.capture.readouterr().out
    assert [row.split("│")[2].strip() for row in said.splitlines() if "│ 2024-03-0" in row] == [
        "same"
    ] * 3
