"""Leases: one holder at a time, tokens that only grow, a dead holder's lease expires, a lost one is
noticed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.errors import TransientError
from pipelines.ledger.lease_holder import Leases
from pipelines.ledger.leases import LeaseLedger
from tests.guarantees.plugin import Tried
from tests.serve.processes import until
from tests.servers import new_database

NAME = "s3a://bank/lake/fraud/transactions"
SHORT = 3
"""Seconds of a lease that a test lets run out: a process that renews it does so in time on a busy
machine too.
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return new_database(request.getfixturevalue("postgresql_server"))


def leases(url: str, holder: str = "one", **changes: Any) -> Leases:
    return replace(
        Leases(ledger=LeaseLedger(url, "fraud"), holder=holder, seconds=60, patience=120), **changes
    )


def never() -> None:
    raise AssertionError("the lease was not lost")


def test_a_dead_holders_lease_ends_though_the_clock_went_back(url: str) -> None:
    """A holder that took it while the clock was an hour ahead, and died, keeps nobody waiting for
    an hour.
    """
    ledger = LeaseLedger(url, "fraud")
    hour = 3600.0
    assert ledger.take_lease(NAME, "dead", hour) is not None
    assert ledger.take_lease(NAME, "next", SHORT) is None
    taken = ledger.lease(NAME)
    assert taken is not None
    assert taken.seconds <= SHORT
    with leases(url, "next", seconds=SHORT).held(NAME, stop=never) as token:
        assert token == 2


@pytest.mark.guarantee(
    "two drivers on one lake", fault="eight writers want one lease at once, ten times each"
)
def test_of_many_one_holds_it_and_tokens_only_grow(url: str, tried: Tried) -> None:
    inside, tokens = [0], []

    def writer(number: int) -> None:
        leases_of = leases(url, f"writer {number}", patience=300)
        for _ in range(10):
            with leases_of.held(NAME, stop=never) as token:
                inside[0] += 1
                assert inside[0] == 1
                tokens.append(token)
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(writer, range(8)))
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 80
    tried(80, "one inside at a time, tokens 1 to 80 in order")


def test_one_who_waits_too_long_is_told_who_holds_it(url: str) -> None:
    with (
        leases(url, "run of the night").held(NAME, stop=never),
        pytest.raises(TransientError, match="another writer") as error,
        leases(url, "two", patience=0.2).held(NAME, stop=never),
    ):
        pass
    assert error.value.where == NAME
    assert error.value.found.startswith("run of the night, holder number 1, for ")
    with (
        leases(url, "two", patience=0).held(NAME, stop=never) as token,
        leases(url).held("another", stop=never),
    ):
        assert token == 2, "given back at once"


def hold_for_ever(url: str, ready: Any) -> None:
    with leases(url, "killed", seconds=SHORT).held(NAME, stop=never):
        ready.set()
        time.sleep(3600)


@pytest.mark.guarantee(
    "two drivers on one lake",
    fault="kill -9 of a holder",
    seen="kept while it lives; the next goes on once it expires",
)
def test_a_killed_holders_lease_expires_and_the_next_goes_on(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=hold_for_ever, args=(url, ready), daemon=True)
    process.start()
    assert ready.wait(120)
    waiting = leases(url, patience=SHORT + 1)
    with pytest.raises(TransientError, match="another writer"), waiting.held(NAME, stop=never):
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with leases(url).held(NAME, stop=never) as token:
        assert token == 2


@pytest.mark.guarantee(
    "two drivers on one lake",
    fault="a holder that was suspended comes back when another has its lease",
    seen="its jobs are cancelled, its write is refused, the other's lease stays",
)
def test_a_holder_that_has_lost_it_is_stopped_and_told(url: str) -> None:
    leases_of, stopped = leases(url, "sleeper", seconds=0.4), threading.Event()
    other = leases(url, "two").ledger

    def another_has_it() -> bool:
        """A suspended process renews nothing, and its time is up at once; this one may renew in
        between: again.
        """
        with other._writing() as connection:
            connection.exec_driver_sql("UPDATE leases SET expires_at = 0")
        return other.take_lease(NAME, "two", 3600) is not None

    def sleep_through_it() -> None:
        with leases_of.held(NAME, stop=stopped.set) as token:
            assert token == 1
            until(another_has_it)
            assert stopped.wait(60), "the jobs are cancelled"

    with pytest.raises(TransientError, match="was lost") as error:
        sleep_through_it()
    assert "two, holder number 2" in error.value.found
    held = leases_of.ledger.lease(NAME)
    assert held is not None
    assert held.seconds > 1800, "what the loser gives back is not the other's lease"


@pytest.mark.guarantee(
    "two drivers on one lake",
    fault=(
        "a database that refuses the renewal of a lease (not merely away), while its holder writes"
    ),
    seen="its jobs are cancelled before the lease runs out, its write is refused",
)
def test_a_holder_whose_renewals_are_refused_is_stopped_before_its_lease_runs_out(url: str) -> None:
    leases_of, stopped = leases(url, "one", seconds=8), threading.Event()

    def write_meanwhile() -> None:
        with leases_of.held(NAME, stop=stopped.set):
            began = time.monotonic()
            with leases_of.ledger._writing() as connection:
                connection.exec_driver_sql("ALTER TABLE leases RENAME TO elsewhere")
            assert stopped.wait(60), "the jobs are cancelled"
            assert time.monotonic() - began < 8

    with pytest.raises(TransientError, match="was lost") as error:
        write_meanwhile()
    assert error.value.found == "no answer from the ledger"
