"""Drills keep to a home of their own, and the command's exit code says whether everything held."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.base.settings import Settings
from pipelines.cli.main import main
from pipelines.drills import catalogue
from pipelines.drills.drill import Drill, Finding


def _drill(holds: bool, homes: list[Path]) -> Drill:
    def happens(settings: Settings) -> list[Finding]:
        homes.append(settings.home)
        (settings.home / "something").write_text("left behind")
        return [
            Finding(expected="this", happened="this", holds=True),
            Finding(expected="that [1]", happened="that [2]", holds=holds),
        ]

    return Drill(name="small", description="a small one", injected="nothing", happens=happens)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TOLLGATE_LANDING", "s3://somebody/elses")
    return tmp_path / "home"


def test_a_drill_has_a_home_of_its_own_that_is_gone_afterwards(home: Path) -> None:
    homes: list[Path] = []
    result = _drill(True, homes).practise(Settings.from_environment())
    assert result.holds
    assert homes[0] != home
    assert not homes[0].exists()
    assert not home.exists()
    assert result.to_json()["home"] is None


def test_nothing_of_the_users_settings_leads_back_to_their_data(home: Path) -> None:
    seen: list[Settings] = []
    drill = Drill(
        name="d", description="", injected="", happens=lambda settings: seen.append(settings) or []
    )
    result = drill.practise(Settings.from_environment())
    assert seen[0].landing.startswith(str(seen[0].home))
    assert not result.holds, "a drill without a finding proves nothing"


@pytest.mark.parametrize("holds", [True, False])
def test_the_exit_code_says_whether_everything_held(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], holds: bool
) -> None:
    homes: list[Path] = []
    monkeypatch.setitem(catalogue.DRILLS, "small", _drill(holds, homes))
    with pytest.raises(SystemExit) as ending:
        main(["drill", "small"])
    out = capsys.readouterr().out
    assert (ending.value.code or 0) == (0 if holds else 1)
    assert "injected: nothing" in out
    assert ("NOT HELD" in out) is not holds
    assert "expected: that [1]" in out
    assert not homes[0].exists()


def test_what_is_kept_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    homes: list[Path] = []
    monkeypatch.setitem(catalogue.DRILLS, "small", _drill(True, homes))
    with pytest.raises(SystemExit):
        main(["drill", "small", "--keep", "--json"])
    document = json.loads(capsys.readouterr().out)
    kept = Path(document["home"])
    assert document["holds"] is True
    assert (kept / "something").read_text() == "left behind"
    (kept / "something").unlink()
    kept.rmdir()


def test_an_unknown_drill_is_a_wrong_call_that_lists_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["drill", "earthquake"])
    assert ending.value.code == 2
    assert "skew, bad-retrain, rollback, race, crash" in capsys.readouterr().err
