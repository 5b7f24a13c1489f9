"""The command line: help for every command, errors as blocks with exit codes, JSON alone on
standard output.
"""

from __future__ import annotations

import json
import re

import pytest

from pipelines.base.settings import Settings
from tests.cli.calling import called


def test_help_lists_the_commands_of_the_design(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "--help")
    wanted = [
        "simulate",
        "import",
        "run",
        "backfill",
        "train",
        "backtest",
        "which",
        "releases",
        "parity",
        "report",
        "up",
        "down",
        "status",
        "doctor",
        "demo",
    ]
    listed = re.findall(r"^\W*([a-z-]+)  ", out, re.MULTILINE)
    assert code == 0
    assert [name for name in wanted if name not in listed] == []


def test_a_wrong_call_ends_with_2_and_says_what_is_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = called(capsys, "run", "ingest", "--from", "2026-11-08", "--to", "2026-11-07")
    assert (code, out) == (2, "")
    assert "next step:  swap the ends: --from 2026-11-07 --to 2026-11-08" in err


@pytest.mark.parametrize(
    "call",
    [
        *(
            ("run", stage, "--from", "2026-11-01", "--to", "2999-12-25")
            for stage in ("ingest", "score", "monitor")
        ),
        ("train", "--as-of", "2999-12-25"),
        ("parity", "--day", "2999-12-25"),
        ("golden", "freeze", "--from", "2026-11-01", "--to", "2999-12-25"),
        ("demo", "--until", "2999-12-25"),
    ],
)
def test_a_day_that_is_not_over_is_refused_and_leaves_nothing(
    call: tuple[str, ...],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    code, _, err = called(capsys, *call)
    assert code == 2
    assert "a day that is not over cannot be run" in err
    assert "2999-12-25" in err
    assert not (settings.home / "ledger.sqlite").exists()


def test_with_json_an_error_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(
        capsys, "run", "ingest", "--from", "yesterday", "--to", "2026-11-07", "--json"
    )
    assert code == 2
    assert json.loads(out)["error"]["found"] == "'yesterday'"


def test_an_unknown_use_case_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLGATE_USE_CASE", "weather")
    code, _, err = called(capsys, "run", "ingest", "--from", "2026-11-07", "--to", "2026-11-07")
    assert code == 2
    assert "fraud" in err
    assert "weather" in err
