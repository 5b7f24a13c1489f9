"""The ledger: append-only, ordered, one winner of two promotions, and clear words for a file that
is none.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.errors import ConfigurationError, PermanentError
from pipelines.ledger.ledger import Ledger, NewIncident
from pipelines.ledger.opening import open_ledger
from tests.accounts import incident_detail, ingest_account, monitor_account, release_account
from tests.guarantees.plugin import Tried
from tests.servers import new_database
from tests.state_machines import play

AT = datetime(2026, 11, 8, 2, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    return new_database(request.getfixturevalue("postgresql_server"))


@pytest.fixture
def ledger(address: str) -> Ledger:
    return Ledger(address, "fraud")


def test_the_newest_record_of_a_day_counts_and_none_is_lost(ledger: Ledger) -> None:
    day = date(2026, 11, 7)
    for n in range(3):
        ledger.record_stage(day, ingest_account(rows_in=n), "done", run_id=f"r{n}", at=AT)
    assert [record.account.rows_in for record in ledger.stage_records("ingest")] == [0, 1, 2]
    assert ledger.latest(IngestAccount)[day].account == ingest_account(rows_in=2)
    assert ledger.latest("ingest", first=date(2026, 11, 8)) == {}


def test_use_cases_do_not_see_each_other(ledger: Ledger) -> None:
    ledger.record_stage(date(2026, 11, 7), ingest_account(), "done", run_id="r", at=AT)
    assert Ledger(ledger.url, "bike").stage_records() == []


@pytest.mark.guarantee(
    "two promotions at once",
    fault="seven threads promote at once, on SQLite and on PostgreSQL",
    seen="one winner, the others told",
)
def test_one_of_many_promotions_at_once_wins_and_the_others_are_told(ledger: Ledger) -> None:
    for n in range(8):
        ledger.add_release(f"r{n}", release_account(rounds=n), at=AT)
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
    ledger.add_release("r1", release_account(model_digest="a"), at=AT)
    with pytest.raises(PermanentError, match="already in the ledger"):
        ledger.add_release("r1", release_account(model_digest="b"), at=AT)
    assert ledger.release("r1").account == release_account(model_digest="a")
    with pytest.raises(PermanentError) as caught:
        ledger.release("r2")
    assert (caught.value.expected, caught.value.found) == ("r1", "r2")


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(
        b"this is not a database, but long enough to be looked at" * 40
    )
    with pytest.raises(ConfigurationError, match="not a database"):
        Ledger(f"sqlite:///{tmp_path}/ledger.sqlite", "fraud")


def test_a_ledger_of_another_version_is_refused(ledger: Ledger) -> None:
    with open_ledger(ledger.url).begin() as connection:
        connection.exec_driver_sql("UPDATE schema_version SET version = 99")
    with pytest.raises(ConfigurationError) as caught:
        Ledger(ledger.url, "fraud")
    assert caught.value.found == "version 99"


def test_an_incident_is_open_once_until_it_is_resolved(ledger: Ledger) -> None:

    def open_one(n: int) -> int:
        new = NewIncident(
            kind="drift",
            subject="amount",
            severity="warning",
            summary=f"{n}",
            detail=incident_detail(next_step=f"{n}"),
        )
        return ledger.report_incident(new, at=AT, actor="t")[0].incident_id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(open_one, range(12)))) == 1
    ledger.report_incident(
        NewIncident(kind="drift", subject="other", severity="warning", summary="-"),
        at=AT,
        actor="t",
    )
    assert ledger.settle_incident("drift", "amount", resolution="it passed", at=AT, actor="ann")
    assert not ledger.settle_incident("drift", "amount", resolution="again", at=AT, actor="ann")
    assert [i.subject for i in ledger.incidents(open_only=True)] == ["other"]
    open_one(99)
    first, _, third = ledger.incidents()
    assert (first.resolution, first.resolved_by, third.summary, third.detail.next_step) == (
        "it passed",
        "ann",
        "99",
        "99",
    )
    assert Ledger(ledger.url, "bike").incidents() == []


def test_reports_at_once_lose_nothing_and_neither_does_one_that_is_settled_meanwhile(
    ledger: Ledger,
) -> None:
    def report_and_settle(n: int) -> int:
        new = NewIncident(
            kind="late",
            subject="feed",
            severity="warning",
            summary="-",
            detail=incident_detail(days=[f"2026-11-{n + 1:02d}"]),
        )
        incident, _ = ledger.report_incident(new, at=AT, actor="t")
        if n % 5 == 4:
            ledger.settle_incident("late", "feed", resolution="came", at=AT, actor="t")
        return incident.incident_id

    with ThreadPoolExecutor(8) as pool:
        settled = set(pool.map(report_and_settle, range(30)))
    kept = ledger.incidents()
    assert settled == {incident.incident_id for incident in kept}
    days = chain.from_iterable(incident.detail.days for incident in kept)
    assert sorted(map(str, days)) == [f"2026-11-{n + 1:02d}" for n in range(30)]
    assert len(ledger.incidents(open_only=True)) <= 1


def test_what_is_no_number_comes_back_as_it_was_written(ledger: Ledger) -> None:
    day = date(2026, 11, 7)
    ledger.record_stage(
        day, monitor_account(score_mean=float("nan"), page="Zoë"), "done", run_id="r", at=AT
    )
    account = ledger.latest(MonitorAccount)[day].account
    assert account.page == "Zoë"
    assert account.score_mean is not None
    assert math.isnan(account.score_mean)


class Promotions(RuleBasedStateMachine):
    """However promotions with fresh or stale pointers follow each other, there is one champion and
    a full history.
    """

    lost = 0

    @initialize()
    def start(self) -> None:
        self.ledger = Ledger("sqlite://", "fraud")
        for n in range(4):
            self.ledger.add_release(f"r{n}", release_account(), at=AT)
        self.seen = [None]
        self.model: list[str] = []

    @rule(n=st.integers(0, 3), back=st.integers(0, 3))
    def promote(self, n: int, back: int) -> None:
        expected = self.seen[max(0, len(self.seen) - 1 - back)]
        try:
            moved = self.ledger.move_champion(
                f"r{n}", expected=expected, reason="", actor="t", at=AT
            )
        except PermanentError:
            type(self).lost += 1
            assert expected != self.seen[-1]
            return
        assert expected == self.seen[-1], "a stale pointer wins nothing"
        self.seen.append(moved)
        self.model.append(f"r{n}")

    @invariant()
    def the_pointer_is_the_last_winner(self) -> None:
        pointer = self.ledger.champion()
        assert (pointer.release_id if pointer else None) == (self.model[-1] if self.model else None)
        assert (pointer.generation if pointer else 0) == len(self.model)


@pytest.mark.guarantee(
    "two promotions at once", fault="promotions with fresh and stale pointers (state machine)"
)
def test_promotions(tried: Tried, thorough: bool) -> None:
    Promotions.lost = 0
    play(Promotions, games=200 if thorough else 15, steps=12)
    tried(
        Promotions.lost, "each stale one is told; the pointer is the last winner, its history full"
    )
