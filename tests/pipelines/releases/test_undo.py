"""Promotion and rollback: the history decides, nothing that cannot score is put back, and a crash
leaves old or new.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from features.fraud import BASELINE
from pipelines.accounts.audit import AuditDetail, MoveAuditDetail
from pipelines.base.errors import PermanentError, StoreError, UsageError
from pipelines.base.settings import Settings
from pipelines.ledger.ledger import Ledger, Move
from pipelines.releases.bundle import MODEL, BundleError, releases_folder
from pipelines.releases.promotion import promote
from pipelines.releases.scorer import load_champion
from pipelines.releases.succession import line_of_champions
from pipelines.releases.undo import rollback
from pipelines.run import Run
from tests.accounts import release_account
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, failing_write, stored_release
from tests.pipelines.training.racing import race

DECISIONS = {
    "a": "approved",
    "b": "approved",
    "c": "approved",
    "bad": "refused",
    "unsure": "needs a person",
}


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, USE, run_id="test-run", actor="ann", clock=lambda: AT)


@pytest.fixture
def ids(run: Run) -> dict[str, str]:
    return {
        name: stored_release(run, n + 1, decision).release_id
        for n, (name, decision) in enumerate(DECISIONS.items())
    }


def _champions(run: Run, *names: str) -> None:
    for name in names:
        promote(run, name, to="champion", reason="a test's", override=True)


def _states(run: Run, release: str) -> list[str]:
    return [entry["state"] for entry in run.ledger.states(release)]


def test_a_release_goes_on_state_by_state(run: Run, ids: dict[str, str]) -> None:
    assert promote(run, ids["a"], reason="first").state == "champion", (
        "the first of a home decides at once"
    )
    assert promote(run, ids["b"], reason="on").state == "shadow"
    assert load_champion(run).release_id == ids["a"]
    assert promote(run, ids["b"], reason="on").state == "canary"
    done = promote(run, ids["b"], reason="on")
    assert (done.state, done.override, done.challenger) == ("champion", None, None)
    assert _states(run, ids["b"]) == ["shadow", "canary", "champion"]
    assert _states(run, ids["a"]) == ["champion", "retired"]
    assert not promote(run, ids["b"], reason="again").changed
    assert load_champion(run).release_id == ids["b"]


def test_a_newer_challenger_retires_the_one_before(run: Run, ids: dict[str, str]) -> None:
    for name in "abc":
        promote(run, ids[name], reason="on")
    pointer = run.ledger.champion()
    assert pointer is not None
    assert (pointer.challenger, pointer.challenger_state) == (ids["c"], "shadow")
    assert _states(run, ids["b"]) == ["shadow", "retired"]


@pytest.mark.parametrize(
    ("name", "verdict"), [("bad", "'refused'"), ("unsure", "'needs a person'")]
)
def test_only_an_override_moves_what_the_verdict_holds(
    run: Run, ids: dict[str, str], name: str, verdict: str
) -> None:
    _champions(run, ids["a"])
    before = run.ledger.champion()
    with pytest.raises(PermanentError, match="override") as caught:
        promote(run, ids[name], reason="because")
    assert verdict in caught.value.found
    with pytest.raises(UsageError, match="reason"):
        promote(run, ids[name], reason=" ", override=True)
    assert run.ledger.champion() == before
    done = promote(run, ids[name], to="champion", reason="the analysts ask for it", override=True)
    assert verdict in str(done.override)
    entry = run.ledger.audit_entries(MoveAuditDetail, "promote")[-1]
    assert (entry.actor, entry.subject, entry.detail.reason) == (
        "ann",
        ids[name],
        "the analysts ask for it",
    )


def test_skipping_a_state_takes_an_override(run: Run, ids: dict[str, str]) -> None:
    _champions(run, ids["a"])
    with pytest.raises(PermanentError, match="override") as caught:
        promote(run, ids["b"], to="champion", reason="fast")
    assert "shadow next" in caught.value.found


def test_a_rollback_takes_model_threshold_and_version_together(
    run: Run, ids: dict[str, str]
) -> None:
    _champions(run, ids["a"], ids["b"])
    done = rollback(run, reason="alerts are nonsense")
    scorer = load_champion(run)
    assert (done.before, done.after, done.threshold) == (ids["b"], ids["a"], 0.01)
    assert (scorer.release_id, scorer.threshold, scorer.model_version) == (ids["a"], 0.01, "1")
    assert _states(run, ids["a"]) == ["champion", "retired", "champion"]
    assert [m.kind for m in run.ledger.moves()] == ["promote", "promote", "rollback"]
    assert run.ledger.audit_entries(MoveAuditDetail, "rollback")[0].detail.before == ids["b"]
    assert run.ledger.moves()[-1].detail.before == ids["b"]


def test_a_second_rollback_goes_further_back_and_then_there_is_nothing(
    run: Run, ids: dict[str, str]
) -> None:
    _champions(run, ids["a"], ids["b"], ids["c"])
    assert [rollback(run, reason="r").after for _ in range(2)] == [ids["b"], ids["a"]]
    with pytest.raises(PermanentError, match="nothing to roll back to") as caught:
        rollback(run, reason="r")
    assert caught.value.runbook == "docs/runbooks/rollback.md"
    assert load_champion(run).release_id == ids["a"]
    assert rollback(run, ids["c"], reason="it was not the model").after == ids["c"]
    assert rollback(run, reason="it was").after == ids["a"]


def test_without_a_champion_there_is_nothing_to_roll_back_to(run: Run) -> None:
    with pytest.raises(PermanentError, match="nothing to roll back to") as caught:
        rollback(run, reason="r")
    assert caught.value.found == "no champion at all"


def test_a_rollback_names_what_it_cannot_go_to(run: Run, ids: dict[str, str]) -> None:
    _champions(run, ids["a"], ids["b"])
    for name, message in (
        (ids["c"], "never champion"),
        (ids["b"], "champion already"),
        ("fraud-x", "fraud-x"),
    ):
        with pytest.raises(PermanentError) as caught:
            rollback(run, name, reason="r")
        assert message in caught.value.found
    assert load_champion(run).release_id == ids["b"]


def test_what_cannot_score_is_not_put_back(run: Run, ids: dict[str, str]) -> None:
    _champions(run, ids["a"], ids["b"])
    before = run.ledger.champion()
    path = releases_folder(run.settings.home) / ids["a"] / MODEL
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    with pytest.raises(BundleError, match=r"changed: model\.ubj"):
        rollback(run, reason="r")
    path.write_bytes(content)
    other = replace(BASELINE.features[4], default=77.0)
    changed = replace(BASELINE, features=(*BASELINE.features[:4], other, *BASELINE.features[5:]))
    with pytest.raises(BundleError, match="no longer defined like that"):
        rollback(
            replace(run, use_case=replace(USE, feature_sets={"baseline": changed})), reason="r"
        )
    assert run.ledger.champion() == before


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_crash_at_any_write_leaves_the_old_or_the_new(
    run: Run, ids: dict[str, str], action: str
) -> None:
    _champions(run, ids["a"], ids["b"])

    def act() -> None:
        if action == "promote":
            promote(run, ids["c"], to="champion", reason="r", override=True)
        else:
            rollback(run, reason="r")

    def now() -> tuple[Any, ...]:
        return (
            run.ledger.champion(),
            run.ledger.moves(),
            _states(run, ids["a"]),
            len(run.ledger.audit_entries(AuditDetail)),
        )

    before = now()
    writes = 5
    for number in range(writes):
        with failing_write(number), pytest.raises(StoreError):
            act()
        assert now() == before
    with failing_write(writes) as seen:
        act()
    assert len(seen) == writes, "pointer, move, two states, audit"
    pointer = run.ledger.champion()
    assert pointer is not None
    assert pointer.release_id == ids["c" if action == "promote" else "a"]


def test_one_hundred_races_have_one_winner_each(tmp_path: Path) -> None:
    """Eighty between threads, twenty between processes, on one SQLite file."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    ledger = Ledger(url, "fraud")
    for n in range(4):
        ledger.add_release(f"r{n}", release_account(), at=AT)
    ledger.move_champion("r0", expected=None, reason="first", actor="t", at=AT)
    context = multiprocessing.get_context("forkserver")
    winners = []
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(3, mp_context=context) as processes:
        for number in range(100):
            pool = processes if number >= 80 else threads
            attempts = [(url, f"r{n}", number + 1) for n in range(3)]
            won = [
                release
                for (_, release, _), ok in zip(attempts, pool.map(race, attempts), strict=True)
                if ok
            ]
            assert len(won) == 1
            winners += won
    moves = ledger.moves()
    assert [move.generation for move in moves] == list(range(1, 102))
    assert [move.champion for move in moves] == ["r0", *winners], (
        "who was told so has won, nobody else"
    )
    pointer = ledger.champion()
    assert pointer is not None
    assert (pointer.generation, pointer.release_id) == (101, winners[-1])


class Line(RuleBasedStateMachine):
    """However promotions and rollbacks follow, one goes only to who led before and was not rolled
    back from.
    """

    @initialize()
    def start(self) -> None:
        self.moves: list[Move] = []
        self.champion: str | None = None
        self.undone: set[str] = set()

    def _move(self, kind: str, release: str) -> None:
        self.moves.append(
            Move(kind=kind, subject=release, champion=release, reason="", actor="t", at=AT)
        )
        self.champion = release

    @rule(release=st.sampled_from("abcd"))
    def promote(self, release: str) -> None:
        if release != self.champion:
            self.undone.discard(release)
            self._move("promote", release)

    @rule()
    def roll_back(self) -> None:
        line = line_of_champions(self.moves)
        if len(line) > 1:
            assert self.champion is not None
            self.undone.add(self.champion)
            assert line[-2] not in self.undone
            self._move("rollback", line[-2])

    @rule(release=st.sampled_from("abcd"))
    def put_back_by_name(self, release: str) -> None:
        line = line_of_champions(self.moves)
        if release != self.champion and any(move.champion == release for move in self.moves):
            if release in line:
                assert self.champion is not None
                self.undone.add(self.champion)
            self.undone.discard(release)
            self._move("rollback", release)

    @invariant()
    def the_last_of_the_line_is_champion(self) -> None:
        line = line_of_champions(self.moves)
        assert (line[-1] if line else None) == self.champion
        assert not set(line) & self.undone
        assert all(before != after for before, after in pairwise(line))


TestLine = Line.TestCase
TestLine.settings = hypothesis_settings(max_examples=60, stateful_step_count=20, deadline=None)
