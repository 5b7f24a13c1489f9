"""The ledger on a PostgreSQL: opened by many at once, raced for by processes, gone and back, and
never told aloud.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event

from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.base.settings import Settings
from pipelines.drills.race import race
from pipelines.ledger import releases as ledger_releases
from pipelines.ledger.ledger import Ledger, Pointer
from tests.accounts import release_account
from tests.guarantees.plugin import Tried
from tests.pipelines.ledger.commit_proxy import commit_proxy
from tests.pipelines.ledger.test_ledger_versions import VERSION_1
from tests.servers import Server, new_database, postgresql

AT = datetime(2026, 11, 8, 2, tzinfo=UTC)


@pytest.fixture
def address(postgresql_server: Server) -> str:
    return new_database(postgresql_server)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop."""
    with postgresql() as server:
        yield server


def test_many_may_open_a_new_ledger_at_once(address: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        ledgers = list(pool.map(lambda _: Ledger(address, "fraud"), range(8)))
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM schema_version").fetchone() == (1,)
    assert [ledger.champion() for ledger in ledgers] == [None] * 8


def test_an_older_layout_is_brought_forward(address: str) -> None:
    integer, serial = "id INTEGER NOT NULL PRIMARY KEY", "id SERIAL PRIMARY KEY"
    with psycopg.connect(address) as connection:
        for statement in VERSION_1.replace(integer, serial).split(";")[:-1]:
            connection.execute(statement)  # type: ignore[call-overload]
    with ThreadPoolExecutor(4) as pool:
        ledger = [*pool.map(lambda _: Ledger(address, "fraud"), range(4))].pop()
    assert ledger.champion() == Pointer(release_id="b", generation=2)
    assert [(move.generation, move.champion) for move in ledger.moves()] == [(1, "a"), (2, "b")]


@pytest.mark.guarantee(
    "two promotions at once",
    fault="4 processes × 2 threads promote at the same moment, on PostgreSQL",
)
@pytest.mark.slow
def test_of_promotions_by_several_processes_one_wins_and_the_others_are_told(
    address: str, tmp_path: Path, tried: Tried, thorough: bool
) -> None:
    settings = Settings.build(home=tmp_path, ledger=address)
    races = 100 if thorough else 20
    findings = race(settings, races=races)
    assert [finding for finding in findings if not finding.holds] == []
    tried(races, f"{findings[0].happened}, {findings[1].happened}; {findings[3].happened}")


@pytest.mark.guarantee(
    "secrets and card numbers",
    fault="a wrong password, a wrong base, another kind of database",
    seen="told without the password",
)
def test_a_wrong_password_and_a_wrong_base_are_said_without_the_password(address: str) -> None:
    wrong = address.replace("tollgate:", "tollgate:not-", 1)
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        Ledger(wrong, "fraud")
    assert caught.value.where.startswith("postgresql://tollgate:***@127.0.0.1:")
    password = address.split(":")[2].split("@")[0]
    assert password not in str(caught.value)
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        Ledger(address.rpartition("/")[0] + "/nowhere", "fraud")
    with pytest.raises(ConfigurationError, match="none that we can use") as other:
        Ledger("mysql://ann:secret@host/base", "fraud")
    assert "secret" not in str(other.value)


def test_a_server_that_goes_and_comes_back_loses_nothing(own_server: Server) -> None:
    ledger = Ledger(new_database(own_server), "fraud")
    ledger.add_release("r1", release_account(rounds=1), at=AT)
    own_server.stop()
    with pytest.raises(StoreError, match="does not answer") as caught:
        ledger.add_release("r2", release_account(rounds=2), at=AT)
    assert own_server.password not in str(caught.value)
    with pytest.raises(StoreError, match="cannot be opened"):
        Ledger(ledger.url, "fraud")
    own_server.start()
    ledger.add_release("r2", release_account(rounds=2), at=AT)
    assert [release.release_id for release in ledger.releases()] == ["r1", "r2"]


def _with_champions(ledger: Ledger, *names: str) -> Pointer:
    """Make each release champion in turn; returns the pointer, which names the last."""
    pointer: Pointer | None = None
    for name in names:
        ledger.add_release(name, release_account(), at=AT)
        pointer = ledger.move_champion(name, expected=pointer, reason="first", actor="ann", at=AT)
    assert pointer is not None
    return pointer


def test_a_move_whose_answer_is_lost_is_not_said_to_have_failed(postgresql_server: Server) -> None:
    """Told that it failed, a person would roll back once more, one release further than meant."""
    address = new_database(postgresql_server)
    before = _with_champions(Ledger(address, "fraud"), "a", "b", "c")
    with commit_proxy(postgresql_server.port) as proxy:
        through_proxy = Ledger(
            address.replace(f":{postgresql_server.port}/", f":{proxy.port}/"), "fraud"
        )
        assert through_proxy.champion() == before
        proxy.arm()
        moved = through_proxy.move_champion("b", expected=before, reason="back", actor="ann", at=AT)
    assert proxy.cut == 1
    assert moved == Ledger(address, "fraud").champion() == Pointer(release_id="b", generation=4)
    assert [move.champion for move in Ledger(address, "fraud").moves()] == ["a", "b", "c", "b"]


@pytest.mark.parametrize("statement", ["UPDATE pointers", "INSERT INTO audit"])
def test_a_move_during_which_the_server_goes_is_made_whole_or_said_not_to_be_made(
    own_server: Server, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(new_database(own_server), "fraud")
    before = _with_champions(ledger, "a", "b")
    stopped: list[str] = []

    def stop_before(_connection: object, _cursor: object, text: str, *_rest: object) -> None:
        if text.startswith(statement) and not stopped:
            stopped.append(text)
            own_server.stop()
            own_server.start()

    event.listen(ledger._engine, "before_cursor_execute", stop_before)
    with pytest.raises(StoreError, match="b still decides") as caught:
        ledger.move_champion("a", expected=before, reason="back", actor="ann", at=AT)
    assert "nothing was moved: run the same command again" in caught.value.next_step
    assert ledger.champion() == before
    assert ledger.states("a")[-1]["state"] == "retired"
    again = ledger.move_champion("a", expected=before, reason="back", actor="ann", at=AT)
    assert (again.release_id, again.generation) == ("a", 3)

    monkeypatch.setattr(ledger_releases, "OUTCOME_PATIENCE", 0.0)
    stopped.clear()
    event.listen(ledger._engine, "before_cursor_execute", lambda *_: own_server.stop())
    with pytest.raises(StoreError, match="it is not known whether the move was made") as unknown:
        ledger.move_champion("b", expected=again, reason="back", actor="ann", at=AT)
    assert "look first: tollgate which" in unknown.value.next_step
