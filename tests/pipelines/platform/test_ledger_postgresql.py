"""The ledger on a PostgreSQL: opened by many at once, raced for by processes, gone and back, and never told aloud."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from pipelines.drills.race import race
from pipelines.platform.errors import ConfigurationError, StoreError
from pipelines.platform.ledger import Ledger, Pointer
from pipelines.platform.settings import Settings
from tests.accounts import release_account
from tests.guarantees.plugin import Tried
from tests.pipelines.platform.test_ledger_versions import VERSION_1
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
    "two promotions at once", fault="4 processes × 2 threads promote at the same moment, on PostgreSQL"
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
