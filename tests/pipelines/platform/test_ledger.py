"""The ledger: append-only, ordered, one winner of two promotions, and clear words for a file that is none."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipelines.platform.errors import ConfigurationError, PermanentError
from pipelines.platform.ledger import Ledger

AT = datetime(2026, 11, 8, 2, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite", "fraud")


def test_the_newest_record_of_a_day_counts_and_none_is_lost(ledger: Ledger) -> None:
    day = date(2026, 11, 7)
    for n in range(3):
        ledger.record_stage("ingest", day, "done", run_id=f"r{n}", at=AT, payload={"rows_in": n})
    assert [record.payload["rows_in"] for record in ledger.stage_records("ingest")] == [0, 1, 2]
    assert ledger.latest("ingest")[day].payload == {"rows_in": 2}
    assert ledger.latest("ingest", first=date(2026, 11, 8)) == {}


def test_use_cases_do_not_see_each_other(ledger: Ledger) -> None:
    ledger.record_stage("ingest", date(2026, 11, 7), "done", run_id="r", at=AT, payload={})
    assert Ledger(ledger.url, "bike").stage_records() == []


def test_one_of_many_promotions_at_once_wins_and_the_others_are_told(ledger: Ledger) -> None:
    for n in range(8):
        ledger.add_release(f"r{n}", {"n": n}, at=AT)
    first = ledger.move_champion("r0", expected=None, reason="first", actor="test", at=AT)

    def promote(n: int) -> bool:
        try:
            ledger.move_champion(f"r{n}", expected=first, reason="race", actor="test", at=AT)
        except PermanentError:
            return False
        return True

    with ThreadPoolExecutor(7) as pool:
        assert sum(pool.map(promote, range(1, 8))) == 1
    pointer = ledger.champion()
    assert pointer is not None
    assert pointer.generation == 2
    assert [state["state"] for state in ledger.states("r0")] == ["champion", "retired"]
    assert ledger.states(pointer.release_id)[-1]["state"] == "champion"


def test_a_release_is_immutable_and_an_unknown_one_is_named(ledger: Ledger) -> None:
    ledger.add_release("r1", {"digest": "a"}, at=AT)
    with pytest.raises(PermanentError, match="already in the ledger"):
        ledger.add_release("r1", {"digest": "b"}, at=AT)
    assert ledger.release("r1").payload == {"digest": "a"}
    with pytest.raises(PermanentError) as caught:
        ledger.release("r2")
    assert (caught.value.expected, caught.value.found) == ("r1", "r2")


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"this is not a database, but long enough to be looked at" * 40)
    with pytest.raises(ConfigurationError, match="not a database"):
        Ledger(f"sqlite:///{tmp_path}/ledger.sqlite", "fraud")


def test_a_ledger_of_another_version_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(ConfigurationError) as caught:
        Ledger(ledger.url, "fraud")
    assert caught.value.found == "version 99"


class Promotions(RuleBasedStateMachine):
    """However promotions with fresh or stale pointers follow each other, there is one champion and a full history."""

    @initialize()
    def start(self) -> None:
        self.ledger = Ledger("sqlite://", "fraud")
        for n in range(4):
            self.ledger.add_release(f"r{n}", {}, at=AT)
        self.seen = [None]
        self.model: list[str] = []

    @rule(n=st.integers(0, 3), back=st.integers(0, 3))
    def promote(self, n: int, back: int) -> None:
        expected = self.seen[max(0, len(self.seen) - 1 - back)]
        try:
            self.seen.append(self.ledger.move_champion(f"r{n}", expected=expected, reason="", actor="t", at=AT))
            self.model.append(f"r{n}")
        except PermanentError:
            assert expected != self.seen[-1]

    @invariant()
    def the_pointer_is_the_last_winner(self) -> None:
        pointer = self.ledger.champion()
        assert (pointer.release_id if pointer else None) == (self.model[-1] if self.model else None)
        assert (pointer.generation if pointer else 0) == len(self.model)


TestPromotions = Promotions.TestCase
TestPromotions.settings = hypothesis_settings(max_examples=15, stateful_step_count=12, deadline=None)
