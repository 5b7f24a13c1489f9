"""The analysts' file: whole, readable by any CSV reader, and nothing in it is a formula."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.errors import StoreError
from pipelines.nightly.score.alert_file import alerts_csv, inert, write_alert_file

DAY = date(2026, 11, 7)


def table(unit: object = 7, feature: str = "amount", reasons: int = 2) -> pa.Table:
    why = [{"feature": feature, "value": 250.5, "contribution": -0.25}] * reasons
    row = {"day": DAY, "rank": 1, "customer_id": unit, "score": 0.5, "reasons": why}
    return pa.Table.from_pylist([{**row, "event_time": datetime(2026, 11, 7, 9, 30, tzinfo=UTC)}])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_reasons_become_columns_and_times_are_utc() -> None:
    (row,) = rows(alerts_csv(table()))
    assert row["event_time"] == "2026-11-07T09:30:00Z"
    assert (row["reason_1"], row["reason_1_value"], row["reason_2_contribution"]) == (
        "amount",
        "250.5",
        "-0.25",
    )


@pytest.mark.guarantee(
    "injection", fault="values that a spreadsheet takes for formulas", seen="an apostrophe in front"
)
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "|", "%"])
def test_a_value_that_would_be_a_formula_is_inert(start: str) -> None:
    (row,) = rows(
        alerts_csv(table(unit=f"{start}cmd|' /C calc'!A0", feature=f"{start}HYPERLINK(1)"))
    )
    assert row["customer_id"].startswith("'")
    assert row["reason_1"].startswith("'")


@pytest.mark.guarantee(
    "injection", fault="column names that are formulas", seen="an apostrophe in front"
)
def test_column_names_are_cells_too() -> None:
    injected = pa.table(
        {"=1+1": [1], "reasons": pa.array([[]], pa.list_(pa.struct([("feature", pa.string())])))}
    )
    assert alerts_csv(injected).splitlines()[0] == "'=1+1"


@pytest.mark.guarantee(
    "injection",
    fault="any text as a cell (hypothesis)",
    seen="no cell begins like a formula, none is lost",
)
@given(st.text())
def test_no_text_begins_like_a_formula_and_none_is_lost(text: str) -> None:
    cell = inert(text)
    assert cell in (text, f"'{text}")
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_numbers_stay_numbers() -> None:
    assert inert(-0.25) == -0.25


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = write_alert_file(tmp_path, DAY, table())
    assert path == tmp_path / "alerts" / "2026-11-07.csv"
    write_alert_file(tmp_path, DAY, table(unit=8))
    assert rows(path.read_bytes().decode())[0]["customer_id"] == "8"
    assert [entry.name for entry in path.parent.iterdir()] == ["2026-11-07.csv"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "alerts").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="alert list") as caught:
        write_alert_file(tmp_path, DAY, table())
    assert str(tmp_path) in caught.value.where
