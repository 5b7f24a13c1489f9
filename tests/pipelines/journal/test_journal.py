"""The journal: what one worker wrote the others read, once and in order, whatever is cut short or
killed.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from redis import Redis

from features.kernel import NEVER, Events
from pipelines.base.errors import StoreError
from pipelines.journal import redis_stream as journal_redis
from pipelines.journal.files import FileJournal
from pipelines.journal.journal import EVENT, Journal, event_records, events_of, report_records
from pipelines.journal.redis_stream import RedisJournal
from tests import servers
from tests.servers import Server
from tests.state_machines import play

WIDTH = 7


def records(first: int, count: int, arrived: int = 0) -> np.ndarray:
    rows = np.arange(first, first + count)[:, None] * np.ones(WIDTH, dtype=np.int64)
    rows[:, 0], rows[:, 1], rows[:, 3] = EVENT, arrived, arrived
    return rows


def ids(rows: np.ndarray) -> list[int]:
    return rows[:, 2].tolist()


class SeveralWorkers(RuleBasedStateMachine):
    """Every worker has read, at any time, all that the others wrote before, in one order that is
    the same for all.
    """

    @initialize(count=st.integers(1, 3), size=st.integers(1, 20))
    def open(self, count: int, size: int) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.size = size
        self.journals: list[Journal] = [self._opened() for _ in range(count)]
        self.own: list[list[int]] = [[] for _ in range(count)]
        self.read: list[list[int]] = [[] for _ in range(count)]
        self.all: list[int] = []

    def _opened(self) -> Journal:
        return FileJournal(Path(self.folder.name), WIDTH, segment_bytes=self.size * 8 * WIDTH)

    @rule(worker=st.integers(0, 2), count=st.integers(0, 9))
    def write(self, worker: int, count: int) -> None:
        worker %= len(self.journals)
        self.journals[worker].append(records(len(self.all), count))
        new = list(range(len(self.all), len(self.all) + count))
        self.all += new
        self.own[worker] += new

    @rule(worker=st.integers(0, 2))
    def look(self, worker: int) -> None:
        worker %= len(self.journals)
        self.read[worker] += ids(self.journals[worker].news())
        assert self.read[worker] == [i for i in self.all if i not in set(self.own[worker])]

    @rule(worker=st.integers(0, 2))
    def restart(self, worker: int) -> None:
        worker %= len(self.journals)
        self.journals[worker].close()
        self.journals[worker] = self._opened()
        self.own[worker], self.read[worker] = [], []

    @rule(cut=st.integers(1, 8 * WIDTH - 1))
    def die_in_the_middle_of_a_write(self, cut: int) -> None:
        newest = max(Path(self.folder.name).glob("*.journal"), default=None)
        if newest is not None and newest.stat().st_size % (8 * WIDTH) == 0:
            with newest.open("ab") as file:
                file.write(b"x" * cut)

    @invariant()
    def a_newcomer_reads_everything(self) -> None:
        newcomer = self._opened()
        assert ids(newcomer.news()) == self.all
        newcomer.close()

    def teardown(self) -> None:
        for journal in getattr(self, "journals", []):
            journal.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()


def test_several_workers_read_what_the_others_wrote() -> None:
    play(SeveralWorkers, games=40, steps=20)


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    with servers.redis() as server:
        yield server


def redis_journal(server: Server, key: str) -> RedisJournal:
    url = servers.redis_url(server)
    return RedisJournal(Redis.from_url(url), key, WIDTH, where=url)


@pytest.mark.services
def test_several_machines_read_what_the_others_wrote(redis: Server) -> None:
    class SeveralMachines(SeveralWorkers):
        """The same over a stream of Redis."""

        def _opened(self) -> Journal:
            return redis_journal(redis, self.folder.name)

    play(SeveralMachines, games=20, steps=20)


@pytest.mark.services
def test_a_stream_forgets_what_came_in_before_the_night(redis: Server) -> None:
    journal = redis_journal(redis, "forgetting")
    for number in range(3):
        journal.append(records(number, 1, arrived=number))
    journal.append(records(3, 1, arrived=2**60))
    journal.append(records(4, 1))
    journal.forget(2**59)
    assert ids(redis_journal(redis, "forgetting").news()) == [3, 4]


@pytest.mark.services
def test_a_redis_that_is_down_is_told_and_nothing_is_lost_once_it_is_back(redis: Server) -> None:
    journal = redis_journal(redis, "down")
    journal.append(records(0, 1))
    redis.stop()
    try:
        with pytest.raises(StoreError, match="does not take records") as refused:
            journal.append(records(1, 1))
        assert redis.password not in str(refused.value)
        with pytest.raises(StoreError, match="cannot be read"):
            journal.news()
    finally:
        redis.start()
    journal.append(records(1, 1))
    assert ids(redis_journal(redis, "down").news()) == [0, 1]


def test_events_and_reports_come_back_as_they_went_in() -> None:
    events = Events(
        id=np.array([5, 6]),
        time=np.array([10, 20]),
        cents=np.array([100, 200]),
        reported=np.full(2, NEVER),
        keys={"customer": np.array([1, 2]), "terminal": np.array([-3, 4])},
    )
    entities = ("customer", "terminal")
    written = np.concatenate(
        [
            event_records(events, entities, 7),
            report_records(np.array([5]), np.array([30]), entities, 8),
        ]
    )
    back = events_of(written, entities)
    assert back.id.tolist() == [5, 6]
    assert back.time.tolist() == [10, 20]
    assert back.cents.tolist() == [100, 200]
    assert {name: keys.tolist() for name, keys in back.keys.items()} == {
        "customer": [1, 2],
        "terminal": [-3, 4],
    }
    assert written[2, :4].tolist() == [1, 8, 5, 30]


def test_who_reads_and_writes_a_segment_that_is_forgotten_goes_on_with_the_next(
    tmp_path: Path,
) -> None:
    first, other = (FileJournal(tmp_path, WIDTH, segment_bytes=16 * WIDTH) for _ in range(2))
    first.append(records(0, 2, arrived=1))
    assert ids(other.news()) == [0, 1]
    other.append(records(2, 4, arrived=5))
    FileJournal(tmp_path, WIDTH).forget(2)
    assert ids(first.news()) == [2, 3, 4, 5]
    first.append(records(6, 1, arrived=6))
    other.append(records(7, 1, arrived=6))
    assert (ids(other.news()), ids(first.news())) == ([6], [7])
    assert ids(FileJournal(tmp_path, WIDTH).news()) == [2, 3, 4, 5, 6, 7]


def test_forgetting_leaves_what_came_in_later(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, WIDTH, segment_bytes=8 * WIDTH)
    for number in range(5):
        journal.append(records(number, 1, arrived=number))
    journal.forget(3)
    assert ids(FileJournal(tmp_path, WIDTH).news()) == [3, 4]
    journal.append(records(5, 1, arrived=5))
    assert ids(FileJournal(tmp_path, WIDTH).news()) == [3, 4, 5]


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, other = FileJournal(tmp_path, WIDTH), FileJournal(tmp_path, WIDTH)
    journal.append(records(0, 3))
    whole = os.write
    monkeypatch.setattr(
        os, "write", lambda file, content: whole(file, content[: len(content) // 2])
    )
    with pytest.raises(StoreError, match="does not take records"):
        journal.append(records(3, 5))
    monkeypatch.undo()
    journal.append(records(8, 1))
    assert ids(other.news()) == [0, 1, 2, 8]


def _write(folder: str, first: int) -> None:
    journal = FileJournal(Path(folder), WIDTH, segment_bytes=5000)
    for number in range(100):
        journal.append(records(first + 3 * number, 3))


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write, args=(str(tmp_path), 1000 * number)) for number in range(3)
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join(300)
        assert each.exitcode == 0
    written = ids(FileJournal(tmp_path, WIDTH).news())
    expected = (1000 * number + i for number, i in product(range(3), range(300)))
    assert sorted(written) == sorted(expected)
    for first in range(0, len(written), 3):
        assert written[first + 2] - written[first] == 2, "a batch was torn apart"


Opened = Callable[[], Journal]
Lose = Callable[[str], None]


@pytest.fixture(params=["files", pytest.param("redis", marks=pytest.mark.services)])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Opened, Lose]:
    """Opens readers of one journal; loses it in a way: `emptied`, `cut` (to its first record),
    `exchanged`.
    """
    if request.param == "files":
        folder = tmp_path / "journal"

        def lose(how: str) -> None:
            segment = max(folder.glob("*.journal"))
            if how == "cut":
                os.truncate(segment, 8 * WIDTH)
            elif how == "exchanged":
                content = segment.read_bytes()
                segment.unlink()
                segment.write_bytes(content)
            else:
                shutil.rmtree(folder)

        return lambda: FileJournal(folder, WIDTH), lose
    server: Server = request.getfixturevalue("redis")
    key = f"lost-{tmp_path}"

    def lose_in_redis(how: str) -> None:
        client = Redis.from_url(servers.redis_url(server))
        if how == "cut":
            client.xtrim(key, maxlen=0, approximate=False)
        elif how == "exchanged":
            content = client.dump(key)
            client.delete(key)
            other = RedisJournal(client, key, WIDTH, where="")
            other.append(records(50, 1))
            assert content
        else:
            client.delete(key)

    return lambda: redis_journal(server, key), lose_in_redis


@pytest.mark.parametrize("how", ["emptied", "cut", "exchanged"])
def test_a_journal_that_was_lost_is_noticed_by_everybody_and_becomes_one_again(
    shared: tuple[Opened, Lose], how: str
) -> None:
    opened, lose = shared
    first, other = opened(), opened()
    first.append(records(0, 3))
    assert ids(other.news()) == [0, 1, 2]
    assert first.news().size == 0
    before = first.stream
    assert (first.losses, other.losses, other.stream) == (0, 0, before)
    lose(how)
    with suppress(StoreError):
        other.append(records(9, 1))
    first.news()
    other.news()
    assert (first.losses, other.losses) == (1, 1)
    assert first.why
    assert first.stream == other.stream
    first.append(records(0, 3))  # what each knows, again
    assert [i for i in ids(other.news()) if i < 9] == [0, 1, 2]
    assert (first.losses, other.losses) == (1, 1)
    newcomer = opened()
    assert set(ids(newcomer.news())) >= {0, 1, 2}
    assert newcomer.losses == 0
    if how == "emptied":
        assert newcomer.previous == before


def test_forgetting_and_erasing_are_no_losses(shared: tuple[Opened, Lose]) -> None:
    opened, _ = shared
    first, other, idle = opened(), opened(), opened()
    for number in range(4):
        first.append(records(number, 1, arrived=number))
    assert ids(idle.news()) == ids(other.news()) == [0, 1, 2, 3]
    assert other.erase(lambda rows: rows[:, 2] == 3) == 1
    first.forget(2**59)
    other.append(records(4, 1, arrived=2**60))
    assert 4 in ids(idle.news())
    assert 4 in ids(first.news())
    assert (first.losses, other.losses, idle.losses) == (0, 0, 0)


def test_a_newcomer_misses_segments_that_somebody_removed(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, WIDTH, segment_bytes=8 * WIDTH)
    for number in range(4):
        journal.append(records(number, 1, arrived=number))
    journal.forget(1)
    assert FileJournal(tmp_path, WIDTH).losses == 0
    (tmp_path / f"{2:012d}.journal").unlink()
    newcomer = FileJournal(tmp_path, WIDTH)
    assert (newcomer.losses, newcomer.why) == (1, "segments are missing: 2")


@pytest.mark.services
def test_entries_that_somebody_else_trimmed_are_counted(
    redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_redis, "COUNT_EVERY", 0.0)
    journal = redis_journal(redis, "trimmed")
    for number in range(6):
        journal.append(records(number, 1))
    journal.news()
    journal.forget(1_000_000)
    Redis.from_url(servers.redis_url(redis)).xtrim("trimmed", maxlen=3, approximate=False)
    for _ in range(3):
        journal.news()
    assert journal.losses == 1
    assert "removed by somebody else" in journal.why
