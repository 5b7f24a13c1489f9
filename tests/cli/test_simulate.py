"""`tollgate simulate` and `tollgate incidents` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.cli.main import main

SMALL = ["--customers", "200", "--terminals", "400", "--seed", "3"]


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def test_days_land_with_a_json_account(new_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = [
        "simulate",
        "--start",
        "2026-11-01",
        "--days",
        "9",
        *SMALL,
        "--incident",
        "late:2026-11-02:2026-11-03",
    ]
    assert _run(*call, "--json") == 0
    account = json.loads(capsys.readouterr().out)
    assert account["days"] == len(account["per_day"]) == 9
    assert account["transactions"] == sum(day["transactions"] for day in account["per_day"])
    assert [day["incidents"] for day in account["per_day"]][:4] == [[], ["late"], ["late"], []]
    assert (
        len(list((new_home / "landing" / "fraud" / "transactions").glob("*/_MANIFEST.json"))) == 9
    )
    assert (
        len(list((new_home / "landing" / "fraud" / "fraud_reports").glob("*/_MANIFEST.json"))) == 9
    )
    assert (new_home / "truth" / "world.json").is_file()


def test_people_get_the_days_that_differ_and_totals(
    new_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [
        "simulate",
        "--start",
        "2026-11-01",
        "--days",
        "3",
        *SMALL,
        "--incident",
        "missing:2026-11-02:2026-11-02",
    ]
    assert _run(*call) == 0
    printed = capsys.readouterr().out
    assert "2026-11-02" in printed
    assert "missing" in printed
    assert "2026-11-03" not in printed
    assert "3 days: " in printed


def test_the_truth_can_live_elsewhere(new_home: Path, tmp_path: Path) -> None:
    assert (
        _run(
            "simulate",
            "--start",
            "2026-11-01",
            "--days",
            "1",
            *SMALL,
            "--truth",
            str(tmp_path / "t"),
        )
        == 0
    )
    assert (tmp_path / "t" / "2026-11-01.parquet").is_file()
    assert not (new_home / "truth").exists()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (["--start", "2026-02-30"], 2, "--start is not a calendar day"),
        (["--start", "../../etc"], 2, "--start is not a calendar day"),
        (["--customers", "0"], 2, "--customers is out of range"),
        (["--days", "0"], 2, "--days"),
        (["--unreported", "2"], 2, "--unreported is out of range"),
        (
            ["--incident", "flood:2026-11-01:2026-11-01"],
            2,
            "expected:   NAME:FROM:TO with one of holiday, new-fraud",
        ),
        (["--incident", "late:2026-11-01:2026-12-01"], 2, "outside the simulated days"),
        (["--incident", "late:2026-11-02:2026-11-01"], 2, "reversed"),
        (["--format", "xlsx"], 2, "--format"),
    ],
)
def test_a_wrong_call_is_explained_and_writes_nothing(
    new_home: Path, capsys: pytest.CaptureFixture[str], changes: list[str], code: int, message: str
) -> None:
    assert _run("simulate", "--start", "2026-11-01", "--days", "2", *SMALL, *changes) == code
    assert message in capsys.readouterr().err
    assert not new_home.exists()


def test_another_world_in_the_same_home_is_refused(
    new_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("simulate", "--start", "2026-11-01", "--days", "1", *SMALL) == 0
    assert _run("simulate", "--start", "2026-11-02", "--days", "1", *SMALL, "--seed", "4") == 1
    assert "another simulated world" in capsys.readouterr().err


def test_incidents_are_listed(new_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("incidents", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert {
        "holiday",
        "new-fraud",
        "bad-labels",
        "dirty-feed",
        "late",
        "duplicate",
        "missing",
    } <= set(listed)
