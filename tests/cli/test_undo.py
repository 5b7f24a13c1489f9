"""`tollgate promote`, `rollback`, `releases`, `which` as a person types them: what moves, what is
told, exit codes.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from pipelines.base.settings import Settings
from pipelines.cli.output import console
from pipelines.run import Run
from pipelines.usecases.fraud import USE_CASE
from tests.cli.calling import called
from tests.cli.test_release import RECORD
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import stored_release

LINEAGE = {
    name: RECORD[name] for name in RECORD if name not in {"evaluation", "as_of", "trained_because"}
}


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(console, "width", 250)
    return Run(settings, USE_CASE, run_id="test-run", actor="test", clock=lambda: AT)


@pytest.fixture
def ids(run: Run) -> list[str]:
    """Two releases that were champion one after the other, and one that was refused."""
    decisions = ["approved", "approved", "refused"]
    release_ids = [
        stored_release(run, seed, decision, more=LINEAGE).release_id
        for seed, decision in enumerate(decisions, start=1)
    ]
    for release in release_ids[:2]:
        run.ledger.move_champion(
            release, expected=run.ledger.champion(), reason="a test's", actor="test", at=AT
        )
    return release_ids


def _champion(run: Run) -> str:
    pointer = run.ledger.champion()
    assert pointer is not None
    return pointer.release_id


def test_rollback_says_what_decides_again(
    run: Run, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = called(capsys, "rollback", "--reason", "alerts are nonsense")
    assert code == 0
    assert f"{ids[0]} decides again, threshold 0.0100; {ids[1]} is retired" in out
    move = run.ledger.moves()[-1]
    assert (move.kind, move.reason, _champion(run)) == ("rollback", "alerts are nonsense", ids[0])
    assert move.actor not in {"cli", ""}, "it bears the name of whoever typed it"


def test_rollback_as_json_names_what_came_with_it(
    run: Run, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = called(capsys, "rollback", "--to", ids[0], "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["release"], document["before"], document["generation"]) == (ids[0], ids[1], 3)
    assert document["policy_digest"] == "p" * 64
    assert document["feature_set"] == run.use_case.feature_sets["baseline"].digest


@pytest.mark.parametrize("command", [("rollback", "--to"), ("promote",)])
def test_an_unknown_release_is_told_with_those_there_are(
    run: Run, ids: list[str], capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    code, out, err = called(capsys, *command, "fraud-20260101-00000000", "--json")
    error = json.loads(out)["error"]
    assert code == 1
    assert error["what"] == "unknown release"
    assert all(release in error["expected"] for release in ids)
    assert "unknown release" in err
    assert _champion(run) == ids[1]


def test_nothing_to_roll_back_to_is_told_with_a_way_out(
    run: Run, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(capsys, "rollback")[0] == 0
    code, out, err = called(capsys, "rollback", "--json")
    assert code == 1
    assert json.loads(out)["error"]["what"] == "there is nothing to roll back to"
    assert "docs/runbooks/rollback.md" in err
    assert _champion(run) == ids[0]


def test_promote_moves_on_by_one_state(
    run: Run, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    release = stored_release(run, 4, "approved", more=LINEAGE).release_id
    states = [
        json.loads(called(capsys, "promote", release, "--json")[1])["state"] for _ in range(3)
    ]
    assert states == ["shadow", "canary", "champion"]
    assert _champion(run) == release
    code, out, _ = called(capsys, "promote", release)
    assert (code, f"{release} was already champion" in out) == (0, True)


def test_promote_against_the_verdict_takes_an_override_that_is_shown_from_then_on(
    run: Run, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = called(capsys, "promote", ids[2], "--json")
    error = json.loads(out)["error"]
    assert (code, _champion(run)) == (1, ids[1])
    assert "its verdict is 'refused'" in error["found"]
    assert "--override" in error["next step"]
    assert called(capsys, "promote", ids[2], "--override")[0] == 2, "an override needs a reason"
    reason = ("--to", "champion", "--override", "--reason", "the analysts ask for it")
    assert called(capsys, "promote", ids[2], *reason)[0] == 0
    for command in (
        ("which",),
        ("releases",),
        ("status",),
        ("which", "--json"),
        ("releases", "--json"),
    ):
        code, out, _ = called(capsys, *command)
        assert code == 0, command
        assert "the analysts ask for it" in out, command


def test_a_ledger_from_a_newer_version_is_left_alone(
    run: Run, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = _champion(run)
    path = run.settings.ledger.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 999")
    for command in (("rollback",), ("promote", ids[0]), ("which",), ("releases",)):
        code, out, err = called(capsys, *command, "--json")
        assert code != 0, command
        assert "newer version of Tollgate" in json.loads(out)["error"]["what"]
        assert "docs/runbooks/ledger.md" in err
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 2")
        rows: list[Any] = connection.execute(
            "SELECT release_id, generation FROM pointers"
        ).fetchall()
    assert rows == [(before, 2)]
