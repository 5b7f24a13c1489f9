"""A journal that came back empty: said, flagged, and made whole again from what the scorers
know.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from pipelines.doctor.machine import diagnose
from pipelines.journal.choice import journal_folder
from pipelines.run import Run
from pipelines.serve.engine import live_states
from pipelines.serve.engine.engine import LiveEngine
from pipelines.serve.predictions import Flag
from tests import servers
from tests.serve.nights import DAY, NOW, history, make_home, on_day, taken, write_night
from tests.serve.test_engine import score

EVENTS = history()
TODAY = on_day(EVENTS)


@pytest.fixture(params=["files", pytest.param("redis", marks=pytest.mark.services)])
def lossy(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Run, Callable[[], object]]]:
    """A home, and what empties its journal."""
    run = make_home(tmp_path / "home", EVENTS)
    if request.param == "files":
        yield run, lambda: shutil.rmtree(journal_folder(run.settings.home, "fraud"))
        return
    with servers.redis() as server:
        url = servers.redis_url(server)
        yield _with(run, serve_journal=url), Redis.from_url(url).flushall


def _with(run: Run, **changes: object) -> Run:
    return replace(run, settings=run.settings.model_copy(update=changes))


def _problems(engine: LiveEngine) -> str:
    return " ".join(engine.readiness().problems)


def _events(engine: LiveEngine) -> float:
    return engine.figures()["customer_events"]


def test_an_emptied_journal_is_flagged_told_and_written_again(
    lossy: tuple[Run, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lose = lossy
    first, other = LiveEngine(run), LiveEngine(run, worker=1)
    assert not (score(first, taken(TODAY, slice(0, 20))).flags & Flag.BOUNDED).any()
    assert not (score(other, taken(TODAY, slice(20, 30))).flags & Flag.BOUNDED).any()
    lose()
    assert (score(first, taken(TODAY, slice(30, 35))).flags & Flag.BOUNDED).all(), (
        "the first answers after it"
    )
    assert "journal was lost" in _problems(first)
    assert first.readiness().ready
    assert first.figures()["journal_losses_total"] == 1
    monkeypatch.setattr("pipelines.serve.engine.engine.LOOK_EVERY", 0.0)
    for each in (other, first, other):
        each.tend()  # as the service does while nobody asks
    assert (score(other, taken(TODAY, slice(35, 36))).flags & Flag.BOUNDED).all()
    first.tend()
    assert _events(first) == _events(other)

    for each in (first, other):
        each._states.settled_at = 0.0  # the seconds in which it settles have passed
        each._states.record_stream()
    newcomer = LiveEngine(run, worker=2)  # after a crash, a new pod
    assert _events(newcomer) == _events(first), "whoever comes later knows what the others knew"
    for each in (first, other, newcomer):
        assert not (score(each, taken(TODAY, slice(36, 37))).flags & Flag.BOUNDED).any()
    for each in (first, other, newcomer):
        each.close()


def test_a_newcomer_to_a_journal_that_nobody_knew_any_more_says_so_until_the_next_night(
    lossy: tuple[Run, Callable[[], object]],
) -> None:
    run, lose = lossy
    first = LiveEngine(run)
    score(first, taken(TODAY, slice(0, 20)))
    first.close()
    lose()
    second, third = LiveEngine(run), LiveEngine(run, worker=1)
    for each in (second, third):
        assert (score(each, taken(TODAY, slice(20, 22))).flags & Flag.BOUNDED).all()
        assert "not known here" in _problems(each)
    later = replace(run, clock=lambda: NOW + timedelta(minutes=1))
    write_night(later, EVENTS, DAY - timedelta(days=1), NOW + timedelta(minutes=1))
    second.look_for_night()
    answers = score(second, taken(TODAY, slice(22, 24)))
    assert not (answers.flags & Flag.BOUNDED).any()
    assert "journal" not in _problems(second)
    for each in (second, third):
        each.close()


@pytest.mark.services
def test_two_homes_on_one_redis_leave_each_other_alone(tmp_path: Path) -> None:
    with servers.redis() as server:
        url = servers.redis_url(server)
        runs = [
            _with(make_home(tmp_path / name, EVENTS), serve_journal=url)
            for name in ("one", "other")
        ]
        first, other = (LiveEngine(run) for run in runs)
        before = _events(other)
        score(first, TODAY)
        other.tend()
        assert not (score(other, taken(TODAY, slice(0, 3))).flags & Flag.REPEATED).any()
        assert _events(other) == before + 3
        assert (first._states.journal.losses, other._states.journal.losses) == (0, 0)
        for each in (first, other):
            each.close()


def test_answers_say_so_while_the_journal_cannot_be_read(
    lossy: tuple[Run, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = lossy
    engine = LiveEngine(run)

    def refuse(*_: object) -> None:
        from pipelines.base.errors import StoreError

        raise StoreError("no answer")

    monkeypatch.setattr(type(engine._states.journal), "news", refuse)
    assert (score(engine, taken(TODAY, slice(0, 2))).flags & Flag.BOUNDED).all()
    monkeypatch.undo()
    assert not (score(engine, taken(TODAY, slice(2, 4))).flags & Flag.BOUNDED).any()
    engine.close()


@pytest.mark.services
def test_the_doctor_looks_at_the_journals_redis(tmp_path: Path) -> None:
    def found(run: Run) -> tuple[bool, str]:
        (finding,) = [check for check in diagnose(run.settings) if check.name == "scorer's journal"]
        assert finding.ok or finding.advice
        return finding.ok, finding.found

    with servers.redis() as server:
        url = servers.redis_url(server)
        run = _with(make_home(tmp_path / "home", EVENTS), serve_journal=url)
        assert found(run)[0]
        client = Redis.from_url(url)
        client.config_set("maxmemory-policy", "allkeys-lru")
        ok, what = found(run)
        assert not ok
        assert "allkeys-lru" in what
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("appendonly", "no")
        ok, what = found(run)
        assert not ok
        assert "keeps nothing over a restart" in what
        server.stop()
        ok, what = found(run)
        assert not ok
        assert server.password not in what


def test_what_is_lacking_is_told_apart_and_written_once() -> None:
    records = live_states.KnownRecords(3)
    rows = np.arange(9_000).reshape(-1, 3)
    for part in np.array_split(rows, 7):
        records.add(part)
    records.add(rows[:5])
    assert len(records) == len(rows) + 5
    assert records.lacking(rows[10:]).tolist() == rows[:10].tolist()
