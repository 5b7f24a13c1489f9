"""Use cases side by side: an overview of all, what decides in each, which of them is well."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.accounts.score import ScoreAccount
from pipelines.base.settings import Settings
from pipelines.ledger.ledger import Ledger, NewIncident
from pipelines.status.use_cases import overviews
from tests.cli.calling import called
from tests.pipelines.usecases.more_use_cases import like_fraud, use_cases_in

AT = datetime(2026, 12, 1, 3, tzinfo=UTC)


def test_each_has_its_own_champion_newest_day_and_trouble(
    settings: Settings, tmp_path: Path
) -> None:
    settings.home.mkdir(exist_ok=True)
    with use_cases_in(
        tmp_path / "more", returns=like_fraud("returns"), bike="import nothing_at_all"
    ):
        ledger = Ledger(settings.ledger, "returns")
        for day in (3, 4):
            ledger.record_stage(date(2026, 11, day), ScoreAccount(), "done", run_id="r", at=AT)
        ledger.move_champion("r1", expected=None, reason="first", actor="test", at=AT)
        late = NewIncident(kind="late", subject="x", severity="critical", summary="score is late")
        ledger.report_incident(late, at=AT, actor="test")
        bike, fraud, returns = overviews(settings)
    assert (bike.name, bike.problem, bike.healthy) == ("bike", None, False)
    assert "ModuleNotFoundError: No module named 'nothing_at_all'" in bike.trouble
    assert "bike.py, line 1" in bike.trouble
    assert (fraud.champion, fraud.newest, fraud.healthy) == (None, None, True)
    assert (returns.champion, returns.newest, returns.owner) == (
        "r1",
        date(2026, 11, 4),
        "another-team",
    )
    assert (returns.healthy, returns.trouble) == (False, "score is late")


def test_looking_makes_no_ledger(settings: Settings) -> None:
    assert [row.healthy for row in overviews(settings)] == [True]
    assert not (settings.home / "ledger.sqlite").exists()


def test_the_command_names_what_is_wrong_and_the_others_are_usable(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    with use_cases_in(tmp_path / "more", returns=like_fraud("returns"), bike="1 / 0"):
        code, out, _ = called(capsys, "usecases")
        assert code == 0
        assert "bike.py, line 1): ZeroDivisionError" in " ".join(out.split())
        code, _, err = called(capsys, "-u", "bike", "status")
        assert code != 0
        assert "bike" in err
        code, out, _ = called(capsys, "-u", "returns", "status")
        assert (code, "use case  returns" in out) == (0, True)
        code, _, err = called(capsys, "--use-case=returns", "promote", "nix", "--reason", "x")
        assert code != 0
        assert "tollgate -u returns releases" in err
        code, out, _ = called(capsys, "status")
        assert (code, "use case  fraud" in out) == (0, True)


@pytest.mark.parametrize(
    "command",
    [("simulate", "--start", "2026-11-01", "--days", "1"), ("drill", "race"), ("demo",)],
    ids=" ".join,
)
def test_what_rests_on_the_simulated_bank_says_so_for_others(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    with use_cases_in(tmp_path / "more", returns=like_fraud("returns")):
        code, _, err = called(capsys, "-u", "returns", *command)
    assert code == 2
    assert "there is no simulator for it" in err
    assert f"tollgate -u fraud {command[0]}" in err
    assert not (settings.home / "landing").exists()
