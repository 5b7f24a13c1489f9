"""Materialize fills every key, keeps the newest, and moves its watermark only when all of it is
there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

import pytest
import redis

from features.state import EMPTY, EntityState
from pipelines.base.days import DayRange
from pipelines.base.errors import StoreError, TransientError
from pipelines.base.settings import Settings
from pipelines.nightly.materialize.stage import materialize
from pipelines.online.states import FeastStates
from pipelines.run import Run
from pipelines.stores.watermark import online_store, watermark
from pipelines.usecases.registry import load
from tests.conftest import NOW
from tests.pipelines.online_lake import CUSTOMERS, DAY, TERMINALS, add_event, instant, store_events
from tests.servers import Server, redis_url

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

BEFORE, NEXT = DAY - timedelta(days=1), DAY + timedelta(days=1)
ALL = {"customer": list(range(1, CUSTOMERS + 1)), "terminal": list(range(1, TERMINALS + 1))}


@pytest.fixture
def run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a lake of its own whose clock moves on by a minute at every look."""
    return on_lake(Settings.build(home=tmp_path_factory.mktemp("online"), spark_cores=1))


@pytest.fixture
def redis_run(
    spark: SparkSession, redis_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The same with the store in a Redis that holds nothing yet, and a clock that is set back at
    every look.
    """
    with redis_of(redis_server) as client:
        client.flushall()
    return on_lake(
        Settings.build(
            home=tmp_path_factory.mktemp("redis"),
            spark_cores=1,
            online_store=redis_url(redis_server),
        ),
        minutes=-1,
    )


def on_lake(settings: Settings, minutes: int = 1) -> Run:
    run = Run(settings, load("fraud"), clock=ticking(NOW, minutes))
    store_events(run)
    return run


def redis_of(server: Server) -> redis.Redis:
    return redis.Redis(port=server.port, password=server.password)


def ticking(start: datetime, minutes: int) -> Callable[[], datetime]:
    now = [start]

    def tick() -> datetime:
        now[0] += timedelta(minutes=minutes)
        return now[0]

    return tick


def states(run: Run) -> dict[str, list[EntityState]]:
    """The states of every key, as the next process reads them."""
    mark = watermark(run.ledger)
    assert mark is not None
    store = online_store(run, reading_only=True)
    reader = FeastStates(store, run.use_case.stored_features, not_before=mark.built_at)
    return {name: [*reader.read({name: keys})[name]] for name, keys in ALL.items()}


def newest(run: Run) -> int:
    """The time of the newest event online (µs)."""
    kept = chain.from_iterable(states(run).values())
    return max(int(state.event_times[-1]) for state in kept if len(state))


def microseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def day(which: date) -> DayRange:
    return DayRange.single(which)


@pytest.mark.guarantee(
    "online store keeps the newest",
    fault="a newer day, an older one, then a correction; SQLite and Redis",
    seen="the newest stays, the correction is read",
)
@pytest.mark.parametrize("store", ["run", "redis_run"])
def test_a_later_day_moves_on_an_older_day_keeps_the_newest_and_a_correction_is_read(
    store: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Run = request.getfixturevalue(store)
    assert watermark(run.ledger) is None
    first = materialize(run, DayRange(BEFORE, DAY))
    assert set(first.accounts) == {BEFORE, DAY}
    assert first.accounts[DAY].entities == {"customer": CUSTOMERS, "terminal": TERMINALS}
    assert first.accounts[DAY].watermark == DAY
    assert first.versions == {"customer_state": 0, "terminal_state": 0}
    assert microseconds(instant(DAY)) <= newest(run) < microseconds(instant(NEXT))
    assert capsys.readouterr().out == ""
    assert run.spark.conf.get("spark.sql.parser.quotedRegexColumnNames", "false") == "false"

    materialize(run, day(NEXT))
    assert newest(run) >= microseconds(instant(NEXT))

    corrected = instant(BEFORE, 12, 7)
    add_event(run, 9_999, corrected, customer=4, terminal=2, amount=12.5)
    again = materialize(run, day(BEFORE))
    assert again.accounts[BEFORE].watermark == NEXT
    assert newest(run) >= microseconds(instant(NEXT)), (
        "the older day did not put older state over newer"
    )
    customer = states(run)["customer"][3]
    place = customer.event_ids.tolist().index(9_999)
    assert (customer.event_times[place], customer.amounts[place]) == (microseconds(corrected), 1250)
    assert [online_store(run).delete("customer", [4, 5_555]) for _ in range(2)] == [1, 0]
    assert [state == EMPTY for state in states(run)["customer"]] == [
        key == 4 for key in ALL["customer"]
    ]


@pytest.mark.guarantee(
    "online store down",
    fault="SQLite refuses the second entity's keys half-way",
    seen="watermark unmoved, what is there is served; the retry fills every key",
)
def test_a_failure_half_way_leaves_the_watermark_and_a_retry_fills_every_key(run: Run) -> None:
    """The fault: SQLite takes the first terminal and refuses the next, when the customers are
    through already.
    """
    materialize(run, day(BEFORE))
    before = watermark(run.ledger)
    two_builds = "(SELECT count(DISTINCT event_ts) FROM fraud_terminal_state) > 1"
    fault = trigger(run, "RAISE(ABORT, 'disk I/O error')", two_builds)
    with fault, pytest.raises(StoreError, match="did not reach the online store") as error:
        materialize(run, day(DAY))
    assert "disk I/O error" in error.value.found
    assert watermark(run.ledger) == before
    half = states(run)
    assert EMPTY not in half["customer"] + half["terminal"], "what is there is served on"
    assert (
        max(s.event_times[-1] for s in half["terminal"]) < microseconds(instant(DAY)) <= newest(run)
    )

    assert materialize(run, day(DAY)).accounts[DAY].watermark == DAY
    whole = states(run)
    assert EMPTY not in whole["customer"] + whole["terminal"]
    assert max(s.event_times[-1] for s in whole["terminal"]) == newest(run)


@pytest.mark.guarantee(
    "online store down",
    fault="Redis refuses half-way, then is gone; the clock is set back all along",
    seen="watermark unmoved; the retry fills every key",
)
def test_a_redis_that_fails_half_way_or_goes_leaves_the_watermark_and_a_retry_fills_every_key(
    redis_run: Run, redis_server: Server
) -> None:
    """The faults: Redis refuses the terminals' keys when the customers are through; then it is gone
    altogether.
    """
    run = redis_run
    materialize(run, day(BEFORE))
    before = watermark(run.ledger)
    with redis_of(redis_server) as client:
        client.acl_setuser(
            "default", enabled=True, reset_keys=True, keys=["*customer_id*"], commands=["+@all"]
        )
        try:
            with pytest.raises(StoreError, match="did not reach the online store") as error:
                materialize(run, day(DAY))
        finally:
            client.acl_setuser("default", enabled=True, keys=["*"])
    assert "permission" in error.value.found.lower()
    half = states(run)
    assert EMPTY not in half["customer"] + half["terminal"], "what is there is served on"
    assert (
        max(s.event_times[-1] for s in half["terminal"]) < microseconds(instant(DAY)) <= newest(run)
    )

    redis_server.stop()
    try:
        with pytest.raises(StoreError) as error:
            materialize(run, day(DAY))
        assert error.value.where.startswith("redis://:***@127.0.0.1")
        assert redis_server.password not in str(error.value)
        with pytest.raises(StoreError, match="does not answer"):
            states(run)
        assert watermark(run.ledger) == before
    finally:
        redis_server.start()
    assert materialize(run, day(DAY)).accounts[DAY].watermark == DAY
    whole = states(run)
    assert EMPTY not in whole["customer"] + whole["terminal"]
    assert max(s.event_times[-1] for s in whole["terminal"]) == newest(run)


@pytest.mark.guarantee(
    "online store down",
    fault="the store drops rows without a word",
    seen="counted and told, watermark unmoved",
)
def test_keys_that_got_lost_on_the_way_are_counted(run: Run) -> None:
    """Feast's store may drop rows without a word; the fault makes SQLite do so."""
    materialize(run, day(BEFORE))
    before = watermark(run.ledger)
    with (
        trigger(run, "RAISE(IGNORE)"),
        pytest.raises(StoreError, match="state of every terminal") as error,
    ):
        materialize(run, day(DAY))
    assert error.value.expected.startswith(f"{TERMINALS} keys with ")
    assert error.value.found == "0 keys with 0 events"
    assert watermark(run.ledger) == before


def test_an_entity_that_a_correction_has_emptied_is_unknown_again(run: Run) -> None:
    add_event(run, 9_999, instant(DAY, 1), customer=77, terminal=2, amount=1.0)
    materialize(run, day(DAY))
    assert read_customer(run, 77).event_ids.tolist() == [9_999]
    rows = run.lake.read("transactions", days=day(DAY)).where("customer_id <> 77")
    run.lake.replace_days(rows, "transactions", day(DAY), provenance=run.provenance("correction"))
    materialize(run, day(DAY))
    assert read_customer(run, 77) == EMPTY


def test_a_day_that_is_not_ingested_is_waited_for(run: Run) -> None:
    with pytest.raises(TransientError, match="not ingested"):
        materialize(run, day(NEXT + timedelta(days=1)))
    assert watermark(run.ledger) is None


def read_customer(run: Run, key: int) -> EntityState:
    mark = watermark(run.ledger)
    assert mark is not None
    reader = FeastStates(online_store(run), run.use_case.stored_features, not_before=mark.built_at)
    return reader.read({"customer": [key]})["customer"][0]


@contextmanager
def trigger(run: Run, action: str, condition: str = "TRUE") -> Iterator[None]:
    """A fault inside SQLite itself: what becomes of a row of a terminal's state."""
    moments = ("INSERT", "UPDATE")
    with closing(sqlite3.connect(f"{run.settings.online_store}/online.sqlite")) as database:
        for moment in moments:
            database.execute(
                f"CREATE TRIGGER fault_{moment} BEFORE {moment} ON fraud_terminal_state "
                f"WHEN {condition} BEGIN SELECT {action}; END"
            )
        yield
        for moment in moments:
            database.execute(f"DROP TRIGGER fault_{moment}")
