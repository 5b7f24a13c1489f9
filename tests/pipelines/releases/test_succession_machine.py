"""However promotions, withdrawals and rollbacks follow, and whichever of their writes fails: the
old state or the new.

After every step, failed or not: history only grows, one release is champion, and the states agree
with the pointer.
"""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipelines.accounts.audit import AuditDetail
from pipelines.base.errors import PermanentError, StoreError
from pipelines.base.settings import Settings
from pipelines.ledger.ledger import Release
from pipelines.releases.promotion import promote
from pipelines.releases.succession import line_of_champions
from pipelines.releases.undo import rollback
from pipelines.run import Run
from tests.guarantees.plugin import Tried
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, failing_write, stored_release
from tests.state_machines import play

WRITES = 6
"""More than any move has: pointer, history, up to three states, audit."""

RELEASES = st.integers(0, 2)
FAILING = st.none() | st.integers(0, WRITES)


_FOLDER = TemporaryDirectory(prefix="succession-", ignore_cleanup_errors=True)


@cache
def _made() -> tuple[Path, tuple[Release, ...]]:
    """A home with the bundles of three releases, which all ledgers of this module know."""
    run = Run(Settings.build(home=_FOLDER.name), USE, actor="ann", clock=lambda: AT)
    for seed in (1, 2, 3):
        stored_release(run, seed, "approved")
    return run.settings.home, tuple(run.ledger.releases())


class Succession(RuleBasedStateMachine):
    """Every rule draws which write fails, if any; `failures` counts those that did."""

    failures = 0

    @initialize()
    def start(self) -> None:
        home, self.releases = _made()
        ledger = f"sqlite:///{home}/{uuid.uuid4().hex}.sqlite"
        self.run = Run(Settings.build(home=home, ledger=ledger), USE, actor="ann", clock=lambda: AT)
        for release in self.releases:
            self.run.ledger.add_release(release.release_id, release.account, at=AT)
        self.history = self._all()

    def _all(self) -> dict[str, Any]:
        """All that the ledger knows."""
        ledger = self.run.ledger
        return {
            "pointer": ledger.champion(),
            "moves": ledger.moves(),
            "audit": ledger.audit_entries(AuditDetail),
            "states": {
                release.release_id: ledger.states(release.release_id) for release in self.releases
            },
        }

    def _try(self, failing: int | None, action: Any, *, moves: bool = True) -> None:
        """Do it; where a write fails or it may not be, everything is as before; else the history
        has one move more.

        Not so where the release is there already, champion or in that state (`moves` is false
        then): nothing changes.
        """
        try:
            if failing is None:
                action()
            else:
                with failing_write(failing):
                    action()
        except (StoreError, PermanentError) as error:
            type(self).failures += isinstance(error, StoreError)
            assert self._all() == self.history
            return
        now = self._all()
        made = len(now["moves"]) - len(self.history["moves"])
        assert now["moves"][: len(self.history["moves"])] == self.history["moves"]
        assert made == (1 if moves else 0)
        assert moves or now == self.history
        assert now["audit"][: len(self.history["audit"])] == self.history["audit"]
        for release, states in self.history["states"].items():
            assert now["states"][release][: len(states)] == states
        self.history = now

    @rule(
        number=RELEASES, failing=FAILING, to=st.sampled_from([None, "shadow", "canary", "champion"])
    )
    def move_on(self, number: int, failing: int | None, to: Any) -> None:
        release = self.releases[number].release_id
        pointer = self.history["pointer"]
        leads = pointer is not None and pointer.release_id == release
        is_there = (
            pointer is not None
            and to is not None
            and (pointer.challenger, pointer.challenger_state) == (release, to)
        )
        self._try(
            failing,
            lambda: promote(self.run, release, to=to, reason="r", override=True),
            moves=not (leads or is_there),
        )
        if failing is None and to == "champion":
            assert self.history["pointer"].release_id == release

    @rule(failing=FAILING)
    def roll_back(self, failing: int | None) -> None:
        line = line_of_champions(self.history["moves"])
        self._try(failing, lambda: rollback(self.run, reason="r"))
        if failing is None and len(line) > 1:
            assert self.history["pointer"].release_id == line[-2]

    @rule(number=RELEASES, failing=FAILING)
    def roll_back_to(self, number: int, failing: int | None) -> None:
        self._try(failing, lambda: rollback(self.run, self.releases[number].release_id, reason="r"))

    @invariant()
    def states_and_history_agree_with_the_pointer(self) -> None:
        pointer, moves = self.history["pointer"], self.history["moves"]
        newest = {
            release: states[-1]["state"]
            for release, states in self.history["states"].items()
            if states
        }
        assert [move.generation for move in moves] == list(range(1, len(moves) + 1))
        if pointer is None:
            assert not newest
            return
        last = moves[-1]
        assert (pointer.release_id, pointer.generation) == (last.champion, last.generation)
        assert (pointer.challenger, pointer.challenger_state) == (
            last.challenger,
            last.challenger_state,
        )
        assert [release for release, state in newest.items() if state == "champion"] == [
            pointer.release_id
        ]
        tried = {
            release: state for release, state in newest.items() if state in {"shadow", "canary"}
        }
        assert tried == (
            {pointer.challenger: pointer.challenger_state} if pointer.challenger else {}
        )
        assert set(newest.values()) <= {"champion", "retired", "shadow", "canary"}


@pytest.mark.guarantee(
    "the k-th operation fails",
    fault="the k-th write of a promotion, withdrawal or rollback (state machine)",
)
def test_succession(tried: Tried, thorough: bool) -> None:
    Succession.failures = 0
    play(Succession, games=200 if thorough else 20, steps=12)
    tried(
        Succession.failures,
        "all as before, each time; states and history agree with the pointer after every step",
    )
