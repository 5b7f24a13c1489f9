"""Alert lists that people have touched: the card goes from what can be read, and the rest is named,
whatever it is.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from pipelines.maintenance.erasure.alert_lists import delete_from_alert_lists, delete_old_rows
from pipelines.maintenance.erasure.subject import Subject
from pipelines.maintenance.erasure.unread import Rows

CARD, EVENT = 700_000_000_017, 4711
SUBJECT = Subject(
    unit="customer_id", keys=(CARD,), event="transaction_id", events=frozenset({EVENT})
)
EVENT_COLUMNS = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount")
HEADER = ("day", "rank", "customer_id", "transaction_id", "amount", "score", "note")
MINE = ("2026-11-02", "1", str(CARD), str(EVENT), "12.50", "0.9", "checked")
OTHER = ("2026-11-02", "2", "17", "4712", "3.00", "0.8", "fine")


def table(rows: Iterable[Iterable[str]], separator: str = ",", end: str = "\r\n") -> str:
    return "".join(separator.join(row) + end for row in rows)


def home_with(tmp_path: Path, **files: bytes) -> Path:
    """A home with alert lists by name; a double underscore in a name stands for the dot."""
    folder = tmp_path / "alerts"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return tmp_path


def delete(home: Path, *, dry_run: bool = False, subject: Subject = SUBJECT) -> Rows:
    return delete_from_alert_lists(
        home, home, subject, dry_run=dry_run, event_columns=EVENT_COLUMNS
    )


@pytest.mark.parametrize(
    ("saved", "encoding"),
    [
        (table([HEADER, MINE, OTHER]), "utf-8"),
        (table([HEADER, MINE, OTHER], ";").replace("12.50", "12,50"), "utf-8"),
        (table([HEADER, MINE, OTHER], "\t", "\n"), "utf-16"),
        (table([HEADER, MINE, OTHER], ";", "\n"), "utf-16-le"),
        (table([HEADER, MINE, OTHER], "|", "\r"), "utf-8-sig"),
        (table([HEADER, MINE, OTHER]).replace("checked", "geprüft"), "cp1252"),
        (table([HEADER, MINE, OTHER]).replace("fine", "geprüft"), "cp850"),
        (table([HEADER, MINE, OTHER]).replace("checked", '"two\r\nlines, ""quoted"""'), "utf-8"),
        ("sep=;\n" + table([HEADER, MINE, OTHER], ";"), "utf-8"),
        (table([[name.upper() for name in HEADER], MINE, OTHER]), "utf-8"),
        (table([HEADER, MINE, OTHER]).replace(str(CARD), f'"{CARD}"'), "utf-8"),
        (table([HEADER, MINE, OTHER]).replace(str(CARD), f"'{CARD}"), "utf-8"),
        (table([HEADER, MINE, OTHER], ";").replace(str(CARD), f" {CARD},0"), "utf-8"),
        (table([HEADER, MINE, OTHER, HEADER, MINE]), "utf-8"),
        (table([[*HEADER, ""], [*MINE, ""], [*OTHER, ""], [""] * 8]), "utf-8"),
        (table([HEADER[::-1], MINE[::-1], OTHER[::-1]]), "utf-8"),
    ],
)
def test_a_list_that_a_spreadsheet_has_saved_loses_the_card_and_no_byte_of_others(
    saved: str, encoding: str, tmp_path: Path
) -> None:
    content = saved.encode(encoding)
    home = home_with(tmp_path, **{"2026-11-02__csv": content})
    path = home / "alerts" / "2026-11-02.csv"
    counted = delete(home, dry_run=True)
    assert (counted.unread, list(counted.by_file)) == ([], ["2026-11-02.csv"])
    assert path.read_bytes() == content
    assert delete(home).by_file == counted.by_file
    left = path.read_bytes().decode(encoding)
    assert str(CARD) not in left
    assert len(left) < len(saved)
    rest = iter(saved)
    assert all(letter in rest for letter in left), (
        "what is left stands in the file as it was, in that order"
    )
    assert "4712" in left
    assert delete(home) == Rows()


def test_a_copy_is_cleaned_whatever_its_name_and_folder(tmp_path: Path) -> None:
    content = table([HEADER, MINE, OTHER]).encode()
    names = [
        "Kopie von 2026-11-02.csv",
        "2026-11-02.csv~",
        "2026-11-02.csv.bak",
        "list.txt",
        ".2026-11-02.csv.4711",
    ]
    home = home_with(tmp_path, **dict.fromkeys(names, content))
    (home / "alerts" / "checked").mkdir()
    (home / "alerts" / "checked" / "a.csv").write_bytes(content)
    assert set(delete(home).by_file) == {*names, "checked/a.csv"}
    assert not [
        path
        for path in home.rglob("*")
        if path.is_file() and str(CARD).encode() in path.read_bytes()
    ]


def workbook() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("xl/sharedStrings.xml", f"<t>{CARD}</t>")
    return packed.getvalue()


GOOD = table([HEADER, MINE, OTHER])


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("2026-11-02.xlsx", workbook(), "no text"),
        ("2026-11-02.ods", workbook(), "no text"),
        (".2026-11-02.csv.swp", b"b0VIM 9.0\0\0\0" + str(CARD).encode(), "no text"),
        ("notes.txt", f"called the holder of {CARD}".encode(), "no column"),
        ("2026-11-02.csv", table([MINE, OTHER]).encode(), "no column"),
        ("2026-11-02.csv", GOOD.replace("customer_id", "card").encode(), "no column customer_id"),
        (
            "2026-11-02.csv",
            GOOD.replace(str(CARD), "7E+11").encode(),
            "no whole number in customer_id",
        ),
        (
            "2026-11-02.csv",
            GOOD.replace(str(CARD), "700,000,000,017").encode(),
            "has not the cells of the header",
        ),
        (
            "2026-11-02.csv",
            GOOD.replace(str(CARD), "700.000.000.017").encode(),
            "no whole number in customer_id",
        ),
        (
            "2026-11-02.csv",
            GOOD.encode() + b";".join(part.encode() for part in MINE),
            "has not the cells",
        ),
        (
            "2026-11-02.csv",
            GOOD.replace("fine", f"see {CARD}").encode(),
            "in a column that was added",
        ),
        (
            "2026-11-02.csv",
            (f"all about {CARD}\n" + GOOD).encode(),
            "line 1 names what is to be deleted",
        ),
        ("2026-11-02.csv", GOOD.replace(str(CARD), f'"{CARD}').encode(), "unexpected end of data"),
        ("2026-11-02.csv", GOOD.encode("utf-16-le")[:-1], "no text"),
        ("2026-11-02.csv", GOOD.encode("cp037"), "no column customer_id"),
    ],
)
def test_what_cannot_be_read_with_certainty_is_named_and_the_other_lists_are_cleaned(
    name: str, content: bytes, why: str, tmp_path: Path
) -> None:
    home = home_with(tmp_path, **{"2026-11-01.csv": GOOD.encode(), name: content})
    for dry_run in (True, False):
        deleted = delete(home, dry_run=dry_run)
        assert [unread_file.path for unread_file in deleted.unread] == [f"alerts/{name}"]
        assert why in deleted.unread[0].why
        assert str(CARD) not in deleted.unread[0].why, "a key is not shown"
        assert deleted.by_file["2026-11-01.csv"] == 1
    assert str(CARD) not in (home / "alerts" / "2026-11-01.csv").read_text()


def test_a_link_is_named_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_bytes(GOOD.encode())
    home = home_with(tmp_path)
    (home / "alerts" / "2026-11-02.csv").symlink_to(elsewhere)
    assert [(unread_file.path, unread_file.why) for unread_file in delete(home).unread] == [
        ("alerts/2026-11-02.csv", "a link")
    ]
    assert elsewhere.read_bytes() == GOOD.encode()


def test_a_list_that_a_program_has_open_is_told_and_an_empty_one_is_none(tmp_path: Path) -> None:
    lock = b",ana,office,01.12.2026 10:00,file:///home/ana;"
    files = {
        ".~lock.2026-11-02.csv#": lock,
        "~$2026-11-03.xlsx": b"\x03ana" + b" " * 161,
        "2026-11-04.csv": b"",
    }
    home = home_with(tmp_path, **files)
    deleted = delete(home)
    assert (deleted.unread, deleted.by_file) == ([], {})
    assert deleted.in_use == ["alerts/2026-11-02.csv", "alerts/2026-11-03.xlsx"]
    home_with(tmp_path, **{".~lock.2026-11-02.csv#": GOOD.encode() * 50})
    assert delete(home).by_file == {".~lock.2026-11-02.csv#": 50}, "by its size it is no lock"


def test_a_key_of_letters_is_found_behind_the_apostrophe_that_makes_it_harmless(
    tmp_path: Path,
) -> None:
    subject = Subject(
        unit="customer_id", keys=("-x7",), event="transaction_id", events=frozenset({EVENT})
    )
    rows = [HEADER, ("2026-11-02", "1", "'-x7", "9", "1", "1", ""), OTHER]
    home = home_with(tmp_path, **{"2026-11-02.csv": table(rows).encode()})
    assert delete(home, subject=subject).by_file == {"2026-11-02.csv": 1}


def test_a_list_is_deleted_by_the_day_that_its_name_or_its_rows_say(tmp_path: Path) -> None:
    old, new = ("2026-11-02", "1", "7"), ("2026-11-05", "1", "8")
    german = [("02.11.2026", "1", "7"), ("2.11.2026 00:00", "2", "9")]
    head = ("day", "rank", "customer_id")
    files = {
        "2026-11-02.csv": b"x",
        "2026-11-02 (copy).csv": b"x",
        "2026-11-05.csv": b"x",
        "all of it.csv": table([head, old, new], ";").encode("utf-16"),
        "week.txt": table([head, *german], ";").encode(),
        "2026-11-02.xlsx": workbook(),
        "american.csv": table([head, ("11/02/2026", "1", "7")]).encode(),
    }
    home = home_with(tmp_path, **files)
    first = date(2026, 11, 4)
    counted = delete_old_rows(home, home, first, dry_run=True)
    assert {path.name: path.read_bytes() for path in (home / "alerts").iterdir()} == files
    done = delete_old_rows(home, home, first, dry_run=False)
    assert done == counted
    assert set(done.by_file) == {
        "2026-11-02.csv",
        "2026-11-02 (copy).csv",
        "all of it.csv",
        "week.txt",
    }
    assert [(unread_file.path, unread_file.why) for unread_file in done.unread] == [
        ("alerts/2026-11-02.xlsx", "no text in an encoding that is known here"),
        ("alerts/american.csv", "line 2 has no day like 2026-11-07"),
    ]
    left = {path.name: path.read_bytes() for path in (home / "alerts").iterdir()}
    assert set(left) == {"2026-11-05.csv", "all of it.csv", "2026-11-02.xlsx", "american.csv"}
    assert left["all of it.csv"].decode("utf-16") == table([head, new], ";")
