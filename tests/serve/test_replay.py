"""A day through the real service, and what goes wrong on the way: a difference has a cause, and the
night mends it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.kernel import NEVER, Events, compute
from pipelines.base.days import midnight
from pipelines.releases.scorer import Scorer, load_champion, load_release
from pipelines.run import Run
from pipelines.serve.client import Prediction, ScorerClient
from pipelines.serve.engine.engine import LiveEngine
from pipelines.serve.predictions import Flag
from tests import servers
from tests.pipelines.releases.boosters import AT, make_bundle, make_champion
from tests.serve.nights import (
    DAY,
    EPOCH,
    START,
    asked,
    fill_store,
    history,
    make_home,
    on_day,
    rows_of,
    taken,
    write_night,
)
from tests.serve.processes import Running, running, until

pytestmark = pytest.mark.slow

EVENTS = history(a_day=120, seed=4)
TODAY = on_day(EVENTS)
Expected = tuple[dict[str, float], float]
"""Features by name, and the score."""


def expected_of(
    scorer: Scorer, run: Run, events: Events, whole: Events = EVENTS
) -> list[tuple[dict[str, float], float]]:
    """Features and score of each event as the night computes them from the whole history."""
    stored = run.use_case.stored_features
    rows = np.searchsorted(whole.id, events.id)
    values = compute([stored[name] for name in scorer.feature_names], whole, rows)
    matrix = np.column_stack([values[name].astype(float) for name in scorer.feature_names])
    scores = scorer.score(matrix)
    return [
        (dict(zip(scorer.feature_names, row, strict=True)), score)
        for row, score in zip(matrix.tolist(), scores.tolist(), strict=True)
    ]


def reports_until(time: int, reported: set[int]) -> list[dict[str, Any]]:
    """The reports of the day up to that instant (µs) that were not sent yet."""
    due = np.flatnonzero((EVENTS.reported >= START) & (EVENTS.reported <= time))
    new = [int(i) for i in due if int(EVENTS.id[i]) not in reported]
    reported.update(int(EVENTS.id[i]) for i in new)
    return [
        {
            "transaction_id": int(EVENTS.id[i]),
            "reported_at": EPOCH + timedelta(microseconds=int(EVENTS.reported[i])),
        }
        for i in new
    ]


def mismatches(answers: list[Prediction], expected: list[Expected]) -> list[int]:
    return [
        number
        for number, (answer, (features, score)) in enumerate(zip(answers, expected, strict=True))
        if answer.features != features or answer.score != score
    ]


def clients(service: Running, count: int) -> list[ScorerClient]:
    """Several connections: the system spreads them over the processes."""
    return [ScorerClient(service.url, service.key, attempts=12, timeout=60) for _ in range(count)]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Run, Running]]:
    run = make_home(tmp_path / "home", EVENTS)
    engine = "pipelines.serve.engine.engine:open_engine"
    with running(tmp_path / "home", engine, serve_workers=2, serve_any_time=True) as service:
        until(service.ready)
        yield run, service


@pytest.mark.guarantee(
    "kill -9 while answering",
    fault="a scorer's process killed in the middle of a day",
    seen="every answer equals the night's, none is lost",
)
def test_a_day_through_two_processes_of_which_one_is_killed_equals_the_night(
    service: tuple[Run, Running],
) -> None:
    """In order, over eight connections in turn, each request sent again by the client where its
    process died.
    """
    run, scorer = service
    asking, pool, answers = clients(scorer, 8), set[int](), []
    for number, row in enumerate(rows_of(TODAY)):
        if number == len(TODAY) // 2:
            scorer.workers()[0].kill()
        due = reports_until(int(TODAY.time[number]), pool)
        if due:
            asking[number % 8].report(due)
        answers += asking[(number + 3) % 8].score([row], features=True)
    assert mismatches(answers, expected_of(load_champion(run), run, TODAY)) == []
    assert not any(answer.fallback for answer in answers)


@pytest.mark.guarantee(
    "rollback while scoring",
    fault="four turns of promotion and rollback under six clients on two processes",
    seen="every answer of exactly one release, no error",
)
def test_promotion_and_rollback_under_load_give_no_error_and_no_mixture(
    service: tuple[Run, Running],
) -> None:
    """Each answer is of one release alone: its score is that release's score of the features in the
    answer.
    """
    run, scorer = service
    first = str(load_champion(run).release_id)
    other = make_bundle(
        run.settings.home, run.use_case.feature_sets["baseline"], as_of="2026-11-10"
    )
    answers: list[Prediction] = []
    ended = threading.Event()
    rows = rows_of(TODAY)

    def ask(client: ScorerClient, seed: int) -> None:
        shuffled = rows.copy()
        random.Random(seed).shuffle(shuffled)
        for start in range(0, 10**9, 5):
            if ended.is_set():
                return
            answers.extend(client.score(shuffled[start % 100 : start % 100 + 5], features=True))

    threads = [
        threading.Thread(target=ask, args=(client, seed))
        for seed, client in enumerate(clients(scorer, 6))
    ]
    for thread in threads:
        thread.start()
    make_champion(run, other)
    for turn in range(4):
        now = other.release_id if turn % 2 == 0 else first
        if turn:
            run.ledger.move_champion(
                now, expected=run.ledger.champion(), reason="turn", actor="test", at=AT
            )
        seen = len(answers)
        until(lambda now=now, seen=seen: _settled(answers[seen:], now))
    ended.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    scorers = {release: load_release(run, release) for release in (first, other.release_id)}
    assert {answer.release for answer in answers} == set(scorers)
    for answer in answers:
        by = scorers[answer.release]
        assert tuple(answer.features) == by.feature_names
        assert by.bundle is not None
        assert answer.feature_set == by.bundle.record.feature_set.digest
        assert answer.score == by.score(np.array([list(answer.features.values())]))[0]


def _settled(answers: list[Prediction], release: str) -> bool:
    """The last hundred answers are of that release."""
    return len(answers) >= 100 and {answer.release for answer in answers[-100:]} == {release}


def test_what_came_out_of_order_and_twice_differs_for_that_reason_alone_until_the_night(
    tmp_path: Path,
) -> None:
    untold = np.where(EVENTS.reported >= START, NEVER, EVENTS.reported)
    events = Events(
        id=EVENTS.id, time=EVENTS.time, cents=EVENTS.cents, reported=untold, keys=EVENTS.keys
    )
    run = make_home(tmp_path / "home", events)
    engine = LiveEngine(run)
    late = np.random.default_rng(3).integers(0, 5 * 3_600_000_000, len(TODAY))
    order = np.argsort(TODAY.time + late, kind="stable").tolist()
    first: dict[int, Any] = {}
    for place in chain.from_iterable([place] * (1 + (place % 7 == 0)) for place in order):
        predictions = engine.score(
            asked(taken(TODAY, slice(place, place + 1))), np.zeros(1, dtype=bool)
        )
        assert bool(predictions.flags[0] & Flag.REPEATED) == (place in first)
        first.setdefault(place, predictions)
    expected = expected_of(load_champion(run), run, TODAY, events)
    positions = {place: number for number, place in enumerate(order)}
    differing = [
        i
        for i, (answer, _) in enumerate(expected)
        if first[i].features[0].tolist() != list(answer.values())
    ]
    assert differing
    assert all(_overtaken(i, positions) for i in differing)
    write_night(run, events, DAY, midnight(DAY + timedelta(days=1)))
    engine.look_for_night()
    engine.score(asked(taken(TODAY, slice(0, 1))), np.zeros(1, dtype=bool))
    fresh = LiveEngine(make_home(tmp_path / "fresh", events), worker=1)
    fresh.score(asked(TODAY), np.zeros(len(TODAY), dtype=bool))
    for entity, keys in TODAY.keys.items():
        for key in np.unique(keys).tolist():
            since = START - 30 * 86_400_000_000
            assert engine.state(entity, key).after(since) == fresh.state(entity, key).after(since)
    engine.close()
    fresh.close()


def _overtaken(place: int, positions: dict[int, int]) -> bool:
    """An earlier event of one of its entities was asked after it."""
    mates = [
        i for i in range(len(TODAY)) if any(keys[i] == keys[place] for keys in TODAY.keys.values())
    ]
    return any(
        TODAY.time[i] <= TODAY.time[place] and positions[i] > positions[place]
        for i in mates
        if i != place
    )


@pytest.mark.guarantee(
    "online store down",
    fault="Redis stopped while the online scorer reads states from it, and started again",
    seen="the rule, flagged, for what was not read yet; the others as before; afterwards all",
)
@pytest.mark.services
def test_a_store_that_fails_leaves_the_rule_for_what_it_alone_knows(tmp_path: Path) -> None:
    """States are read from Redis as they are asked for; those that were read before it went down go
    on answering.
    """
    with servers.redis() as redis:
        changes = {"online_store": servers.redis_url(redis), "lake": str(tmp_path / "elsewhere")}
        run = make_home(tmp_path / "home", EVENTS)
        fill_store(run, EVENTS, changes["online_store"])
        engine = LiveEngine(
            Run(run.settings.model_copy(update=changes), run.use_case, clock=run.clock)
        )
        half = len(TODAY) // 2
        expected = expected_of(load_champion(run), run, TODAY)
        warm = _asked_until_known(engine, taken(TODAY, slice(0, 40)))
        redis.stop()
        down = engine.score(asked(taken(TODAY, slice(40, half))), np.zeros(half - 40, dtype=bool))
        redis.start()
        again = _asked_until_known(engine, taken(TODAY, slice(half, None)))
        engine.close()
    unknown = [i for i, flags in enumerate(down.flags) if flags & Flag.FALLBACK]
    keys_known = {name: set(keys[:40].tolist()) for name, keys in TODAY.keys.items()}
    lacking = [
        i
        for i in range(40, half)
        if any(TODAY.keys[name][i] not in keys_known[name] for name in keys_known)
    ]
    assert [i + 40 for i in unknown] == lacking
    assert warm is not None
    assert again is not None
    for number, row in enumerate(again.features.tolist()):
        told_features = expected[half + number][0]
        labels = [name for name in told_features if "fraud" in name]
        same = {
            name: value for name, value in zip(again.names, row, strict=True) if name not in labels
        }
        assert same == {name: value for name, value in told_features.items() if name not in labels}


def _asked_until_known(engine: LiveEngine, events: Events) -> Any:
    """The first answers in which nothing is a fallback; asking again moves nothing."""
    records: list[Any] = []

    def known() -> bool:
        records.append(engine.score(asked(events), np.zeros(len(events), dtype=bool)))
        return not (records[-1].flags & Flag.FALLBACK).any()

    until(known)
    return records[-1]
