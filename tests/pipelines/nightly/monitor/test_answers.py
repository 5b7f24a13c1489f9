"""Answers on a real ledger: done once, taken back, never by an old day; a person's word counts
more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.accounts.monitor import DiagnosisAccount
from pipelines.base.settings import Settings
from pipelines.cli.main import main
from pipelines.nightly.monitor.remediation import answer, answers_on
from pipelines.releases.fallback import fallbacks, in_force
from pipelines.run import Run
from pipelines.status.status import standing
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.watch import WatchPolicy
from tests.accounts import score_account
from tests.pipelines.releases.bundles import stored_release

DAY = date(2026, 11, 9)
AT = datetime(2026, 11, 10, 2, tzinfo=UTC)
POLICY = WatchPolicy(fall_back_on=("harmful",), roll_back_on=("bug",))


def on(number: int) -> date:
    return DAY + timedelta(days=number)


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A home with a champion after another, and a policy that answers."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    made = Run(
        settings, replace(USE_CASE, watch=POLICY), run_id="r", actor="monitor", clock=lambda: AT
    )
    for seed in (1, 2):
        release = stored_release(made, seed, "approved").release_id
        made.ledger.move_champion(
            release, expected=made.ledger.champion(), reason="", actor="t", at=AT
        )
    return made


class Nights:
    """Days as they come: each is scored by a release, then told of, and answered."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.diagnoses: dict[date, DiagnosisAccount] = {}

    def come(self, day: date, cause: str, *, by: str = "") -> None:
        self.run.ledger.record_stage(day, score_account(release=by), "done", run_id="r", at=AT)
        self.diagnoses[day] = DiagnosisAccount(
            cause=cause, severity="page", subject_day=day, title=f"{cause} days", summary=cause
        )
        answer(self.run, day, self.diagnoses)


def test_a_harmful_day_lets_the_rule_decide_until_days_are_calm(run: Run) -> None:
    nights = Nights(run)
    nights.come(on(-1), "well")
    assert fallbacks(run.ledger) == []
    for number in (0, 1, 2):
        nights.come(on(number), "harmful")
    answer(run, on(2), nights.diagnoses)
    (periods,) = fallbacks(run.ledger)
    assert (periods.first, periods.last, periods.begun_by) == (on(1), None, "monitor")
    assert answers_on(run, on(0))[0].startswith(
        "from 2026-11-10 on the declared rule decides: harmful days"
    )
    assert answers_on(run, on(1)) == ()
    assert any("tollgate fallback --off" in what for _, what in standing(run).attention)
    nights.come(on(3), "echo")
    assert in_force(run.ledger) is not None, "one calm day is not two"
    nights.come(on(4), "well")
    answer(run, on(4), nights.diagnoses)
    assert [(fallback.first, fallback.last) for fallback in fallbacks(run.ledger)] == [
        (on(1), on(4))
    ]
    assert list(answers_on(run, on(4))) == [
        "from 2026-11-14 on the champion decides again: 2 days in a row are calm"
    ]
    assert not any("the declared rule decides" in what for _, what in standing(run).attention)


def test_an_old_day_changes_nobodys_tomorrow(run: Run) -> None:
    nights = Nights(run)
    nights.come(on(0), "well")
    nights.come(on(1), "well")
    nights.diagnoses[on(0)] = nights.diagnoses[on(0)].replaced(cause="harmful")
    answer(run, on(0), nights.diagnoses)
    assert fallbacks(run.ledger) == []


def test_a_persons_end_holds_until_a_day_was_calm(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    nights = Nights(run)
    nights.come(on(0), "harmful")
    assert _command("fallback", "--off", "--reason", "we want it so") == 0
    assert "the champion decides" in capsys.readouterr().out
    nights.come(on(1), "harmful")
    assert in_force(run.ledger) is None
    nights.come(on(2), "well")
    nights.come(on(3), "harmful")
    assert in_force(run.ledger) is not None


def test_what_a_person_began_a_person_ends(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    nights = Nights(run)
    nights.come(on(0), "concept")
    assert _command("fallback", "--on") == 2, "not without a reason"
    assert _command("fallback", "--on", "--reason", "[new] pattern") == 0
    assert "[new] pattern" in capsys.readouterr().out
    assert [fallback.first for fallback in fallbacks(run.ledger)] == [on(1)]
    nights.come(on(1), "well")
    nights.come(on(2), "well")
    assert in_force(run.ledger) is not None
    assert _command("fallback", "--off", "--reason", "seen") == 0
    assert in_force(run.ledger) is None


def test_a_release_that_the_bug_began_with_gives_way_once(run: Run) -> None:
    pointer = run.ledger.champion()
    assert pointer is not None
    new, nights = pointer.release_id, Nights(run)
    nights.come(on(-1), "well", by="old")
    nights.come(on(0), "bug", by=new)
    answer(run, on(0), nights.diagnoses)
    after = run.ledger.champion()
    assert after is not None
    assert after.release_id != new
    assert [move.kind for move in run.ledger.moves()] == ["promote", "promote", "rollback"]
    assert list(answers_on(run, on(0))) == [
        f"{new} gave way to {after.release_id} (take back: tollgate rollback --to {new} --reason"
        ' "…")'
    ]
    nights.come(on(1), "bug", by=after.release_id)
    assert run.ledger.champion() == after, "the one before had well days: it is not the release"


def _command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ending:
        main(list(arguments))
    return int(ending.value.code or 0)
