"""The live path answers what the batch answers, bit by bit, and its states do not depend on how
events came in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import EntityFeature, FeatureSet
from features.errors import FeatureError
from features.fraud import BASELINE
from features.instants import MICROSECONDS_PER_DAY as DAY
from features.kernel import NEVER, Events, compute
from features.online import loops
from features.online import state_store as arena
from features.online.state_store import ROOM_ENTITIES
from features.state import IDS, REPORTED, TIMES, EntityState, build_states
from features.states_table import StatesTable
from features.stream import StreamFeatures
from features.timeline import by_time
from pipelines.usecases.registry import load
from tests.features.kinds import EVERY_KIND, TEXTS
from tests.features.streams import days_of_events, make_events, unreported

STORED = load("fraud").stored_features


def taken(events: Events, which: Any) -> Events:
    """Some of the events."""
    keys = {name: values[which] for name, values in events.keys.items()}
    return Events(
        id=events.id[which],
        time=events.time[which],
        cents=events.cents[which],
        reported=events.reported[which],
        keys=keys,
    )


def report(stream: StreamFeatures, ids: list[int], at: list[int]) -> list[bool]:
    """File reports; which of the events were there."""
    return stream.report(np.array(ids, dtype=np.int64), np.array(at, dtype=np.int64)).tolist()


def streamed(feature_set: FeatureSet, events: Events, sizes: list[int]) -> dict[str, np.ndarray]:
    """The answers in the order of the ids: events by (time, id) in batches of those sizes, cut
    where a report is due.

    A report comes before the events of its instant, and after its own event.
    """
    stream = StreamFeatures(feature_set)
    order = by_time(events.time, events.id)
    waiting = {int(i): int(at) for i, at in enumerate(events.reported) if at != NEVER}
    answers: list[dict[str, np.ndarray]] = []
    first = 0
    while first < len(order):
        now = events.time[order[first]]
        due = [i for i in order[:first].tolist() if waiting.get(i, NEVER) <= now]
        report(stream, due, [waiting.pop(i) for i in due])
        past = first + 1
        while past < min(first + sizes[first % len(sizes)], len(order)):
            if min(waiting.values(), default=NEVER) <= events.time[order[past]]:
                break
            past += 1
        values, _ = stream.serve(taken(unreported(events), order[first:past]), feature_set.features)
        answers.append(values)
        first = past
    back = np.argsort(order)
    return {
        name: np.concatenate([answer[name] for answer in answers])[back]
        for name in feature_set.names
    }


@pytest.mark.parametrize("feature_set", [STORED, EVERY_KIND], ids=lambda s: s.name)
@settings(max_examples=60, deadline=None)
@given(events=days_of_events(), sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_batches_of_a_stream_give_the_bits_of_the_batch(
    feature_set: FeatureSet, events: Events, sizes: list[int]
) -> None:
    batch = compute(feature_set.features, events, np.arange(len(events)))
    live = streamed(feature_set, events, sizes)
    for name in feature_set.names:
        assert batch[name].tobytes() == live[name].tobytes(), name


@settings(max_examples=60, deadline=None)
@given(events=days_of_events(), random=st.randoms(), size=st.integers(1, 7))
def test_the_same_events_in_any_order_and_twice_end_in_the_same_states(
    events: Events, random: Any, size: int
) -> None:
    """And these are the states that a night would build: once all reports have found their
    events.
    """
    stream = StreamFeatures(EVERY_KIND, slack_days=100)
    order = [*range(len(events)), *range(min(5, len(events)))]
    random.shuffle(order)
    for first in range(0, len(order), size):
        stream.move(taken(unreported(events), order[first : first + size]))
    reported = np.flatnonzero(events.reported != NEVER).tolist()
    random.shuffle(reported)
    assert all(report(stream, reported, events.reported[reported].tolist()))
    as_of = int(events.time.max()) + 20 * DAY
    for entity, keys in events.keys.items():
        columns = {
            IDS: events.id,
            TIMES: events.time,
            "amounts": events.cents,
            REPORTED: events.reported,
        }
        expected = build_states(keys, columns, as_of=as_of, reach_days=200)
        for key, state in expected.items():
            again = stream.state(entity, int(key))
            assert again.event_ids.tolist() == state.event_ids.tolist()
            assert again.event_times.tolist() == state.event_times.tolist()
            assert again.amounts.tolist() == state.amounts.tolist()
            assert again.reported_at.tolist() == state.reported_at.tolist()


@settings(max_examples=40, deadline=None)
@given(events=days_of_events(), cut=st.integers(0, 30), overlap=st.integers(0, 5))
def test_states_that_are_loaded_before_or_after_the_stream_began_are_the_same(
    events: Events, cut: int, overlap: int
) -> None:
    """What the night built may come in after the first events of the day, and holds some of them
    already.
    """
    order = by_time(events.time, events.id)
    night, day = order[:cut], order[max(0, cut - overlap) :]
    whole = StreamFeatures(STORED, slack_days=100)
    whole.move(taken(unreported(events), order))
    late = StreamFeatures(STORED, slack_days=100)
    late.move(taken(unreported(events), day))
    for entity, keys in events.keys.items():
        columns = {IDS: events.id[night], TIMES: events.time[night], "amounts": events.cents[night]}
        states = (
            build_states(keys[night], columns, as_of=200 * DAY, reach_days=300)
            if len(night)
            else {}
        )
        late.load(entity, StatesTable.of([(int(key), state) for key, state in states.items()]))
        for key in np.unique(keys).tolist():
            assert (
                late.state(entity, key).event_ids.tolist()
                == whole.state(entity, key).event_ids.tolist()
            )
            assert (
                late.state(entity, key).amounts.tolist()
                == whole.state(entity, key).amounts.tolist()
            )


def test_a_repeated_request_gets_its_first_answer_and_counts_once() -> None:
    stream = StreamFeatures(STORED)
    request = make_events([(10 * DAY, 1000, 1, 1, None)])
    first, marks = stream.serve(request, STORED.features)
    again, marks_again = stream.serve(request, STORED.features)
    assert {name: values.tolist() for name, values in again.items()} == {
        n: v.tolist() for n, v in first.items()
    }
    assert (marks.tolist(), marks_again.tolist()) == ([loops.EMPTY], [loops.REPEATED])
    assert len(stream.state("customer", 1)) == 1


def test_an_id_that_comes_again_with_another_customer_counts_once_at_the_terminal() -> None:
    """The second customer, asked first, has taken it: the night sets that right."""
    stream = StreamFeatures(STORED)
    stream.move(make_events([(10 * DAY, 1000, 1, 1, None)]))
    other = make_events([(10 * DAY, 1000, 2, 1, None)])
    _, marks = stream.serve(other, STORED.features)
    assert marks[0] & loops.REPEATED
    assert len(stream.state("terminal", 1)) == 1


def test_a_late_request_is_answered_as_of_its_instant_and_marked() -> None:
    stream = StreamFeatures(BASELINE)
    rows = [(10 * DAY, 1000, 1, 1, None), (9 * DAY, 3000, 1, 1, None)]
    events = make_events(rows)
    stream.move(taken(events, [0]))
    values, marks = stream.serve(taken(events, [1]), BASELINE.features)
    assert values["customer_tx_count_30d"].tolist() == [1]
    assert marks[0] & loops.LATE


def test_a_hot_entity_keeps_its_newest_events_and_says_so() -> None:
    stream = StreamFeatures(STORED, most_events=64)
    rows = [(i * 1_000_000, 100, 1, 1, None) for i in range(500)]
    values, marks = stream.serve(make_events(rows), STORED.features)
    kept = stream.state("customer", 1)
    assert kept.event_ids[-1] == 499
    assert len(kept) <= 64
    assert not (marks[:64] & loops.BOUNDED).any()
    assert (marks[65:] & loops.BOUNDED).all()
    assert values["customer_tx_count_30d"][63] == 64
    assert stream.figures()["customer_events_dropped"] == 500 - len(kept)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_hot_entity_gets_the_bits_of_the_batch(share: float) -> None:
    """Thousands of events of one terminal, whose windows are made of tiles: late ones, repeats and
    reports too.

    Reports come newest first: where an earlier event of a tile is told before a later one, the
    later one would make good what the earlier one has left undone. Half of all events reported: the
    first cell of some tile among them.
    """
    rng = np.random.default_rng(8)
    count = 6_000
    time = np.sort(rng.integers(0, 40 * DAY, count))
    events = Events(
        id=rng.permutation(count),
        time=time,
        cents=rng.integers(0, 90_000, count),
        reported=np.where(
            rng.random(count) < share, time + rng.integers(0, 14 * DAY, count), NEVER
        ),
        keys={
            "customer": np.where(rng.random(count) < 0.7, 1, 2),
            "terminal": np.zeros(count, dtype=np.int64),
        },
    )
    stream = StreamFeatures(EVERY_KIND)
    half = count // 2
    late = rng.random(half) < 0.1
    for chosen in (np.flatnonzero(~late), np.flatnonzero(late)):
        stream.move(taken(unreported(events), chosen))
    reported = np.flatnonzero((events.reported != NEVER) & (np.arange(count) < half))
    reported_before = reported[events.reported[reported] <= events.time[half]][::-1]
    assert all(
        report(
            stream, events.id[reported_before].tolist(), events.reported[reported_before].tolist()
        )
    )
    asked_again = half - 1
    rows = np.append(np.arange(half, count), asked_again)
    values, marks = stream.serve(taken(unreported(events), rows), EVERY_KIND.features)
    seen = np.where(np.isin(np.arange(count), reported_before), events.reported, NEVER)
    known_then = Events(
        id=events.id, time=events.time, cents=events.cents, reported=seen, keys=events.keys
    )
    batch = compute(EVERY_KIND.features, known_then, rows)
    for name in EVERY_KIND.names:
        assert batch[name].tobytes() == values[name].tobytes(), name
    assert marks[-1] & loops.REPEATED


def test_events_that_no_window_reaches_make_room_for_new_ones() -> None:
    stream = StreamFeatures(STORED, slack_days=1)
    for day in range(400):
        stream.move(make_events([(day * DAY + i, 100, 1, 1, None) for i in range(3)]))
    assert len(stream.state("customer", 1)) < 3 * 60
    memory = stream.figures()["customer_state_bytes"]
    for day in range(400, 1200):
        stream.move(make_events([(day * DAY + i, 100, 1, 1, None) for i in range(3)]))
    assert stream.figures()["customer_state_bytes"] == memory


def test_with_room_made_nothing_moves_while_somebody_waits_and_room_takes_no_memory() -> None:
    stream = StreamFeatures(STORED)
    stream.move(make_events([(i, 100, i % 7, i % 3, None) for i in range(3000)]))
    before, bytes_before = stream.state("customer", 1), stream.figures()["customer_state_bytes"]
    stream.make_room()
    assert stream.state("customer", 1).event_ids.tolist() == before.event_ids.tolist()
    assert stream.figures()["customer_state_bytes"] < bytes_before + 64 * ROOM_ENTITIES
    places = {name: arena._arrays for name, arena in stream.arenas.items()}
    stream.move(make_events([(3000 + i, 100, i % 900, i % 300, None) for i in range(50_000)]))
    assert all(arena._arrays is places[name] for name, arena in stream.arenas.items())


def test_a_system_that_promises_little_memory_gets_less_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, sizes = arena._empty, []

    def strict(slots: int, cells: int, keeps: tuple[bool, bool]) -> arena.Arrays:
        sizes.append(cells)
        if cells > 1 << 20:
            raise MemoryError
        return honest(slots, cells, keeps)

    stream = StreamFeatures(STORED)
    stream.move(make_events([(i, 100, i % 7, i % 3, None) for i in range(300)]))
    monkeypatch.setattr(arena, "_empty", strict)
    stream.make_room()
    assert max(sizes) > 1 << 26
    assert all((1 << 19) < len(each._arrays.ids) <= 1 << 20 for each in stream.arenas.values())
    assert len(stream.state("customer", 1)) == 43


def test_thousands_of_entities_survive_growing() -> None:
    """The arrays grow several times under one call, and nobody's events get mixed up."""
    rng = np.random.default_rng(5)
    count = 60_000
    events = Events(
        id=rng.permutation(count),
        time=np.sort(rng.integers(0, 20 * DAY, count)),
        cents=rng.integers(0, 10_000, count),
        reported=np.full(count, NEVER),
        keys={
            "customer": rng.integers(-(2**62), 2**62, 9000)[rng.integers(0, 9000, count)],
            "terminal": rng.integers(0, 5000, count),
        },
    )
    stream = StreamFeatures(STORED)
    for first in range(0, count, 7_000):
        stream.move(taken(events, slice(first, first + 7_000)))
    for key in np.unique(events.keys["customer"])[::97].tolist():
        rows = np.flatnonzero(events.keys["customer"] == key)
        rows = rows[np.lexsort((events.id[rows], events.time[rows]))]
        expected = EntityState(
            events.id[rows], events.time[rows], events.cents[rows], np.full(len(rows), NEVER)
        )
        assert stream.state("customer", key) == expected


def test_a_report_that_is_ahead_of_its_event_waits_for_it() -> None:
    stream = StreamFeatures(STORED)
    events = make_events([(10 * DAY, 1000, 1, 1, None), (10 * DAY, 1000, 2, 2, None)])
    stream.move(taken(events, [0]))
    assert report(stream, [1, 0, 1], [13 * DAY, 11 * DAY, 12 * DAY]) == [False, True, False]
    assert stream.state("terminal", 1).reported_at.tolist() == [11 * DAY]
    stream.move(taken(events, [1]))
    assert stream.state("terminal", 2).reported_at.tolist() == [12 * DAY]
    assert stream.waiting == {}


def test_an_unknown_entity_gets_the_defaults_and_sees_itself() -> None:
    answer, marks = StreamFeatures(BASELINE).serve(
        make_events([(10 * DAY + 5, 1234, 1, 1, None)]), BASELINE.features
    )
    assert answer["customer_tx_count_30d"].tolist() == [1]
    assert answer["customer_amount_mean_30d"].tolist() == [12.34]
    assert answer["terminal_tx_count_30d"].tolist() == [0]
    assert answer["terminal_fraud_rate_30d"].tolist() == [0.0]
    assert answer["terminal_fraud_rate_30d"].dtype == np.float64
    assert answer["terminal_tx_count_30d"].dtype == np.int64
    assert marks.tolist() == [loops.EMPTY]


def test_a_count_shrinks_while_nothing_happens() -> None:
    """What makes stored answers wrong and stored events right."""
    counts = []
    for at in (1, DAY - 1, DAY):
        stream = StreamFeatures(BASELINE)
        stream.move(make_events([(0, 1000, 1, 1, None)]))
        request = Events(
            id=np.array([9]),
            time=np.array([at]),
            cents=np.array([1]),
            reported=np.array([NEVER]),
            keys={"customer": np.array([1]), "terminal": np.array([1])},
        )
        counts += stream.serve(request, BASELINE.features)[0]["customer_tx_count_1d"].tolist()
    assert counts == [2, 2, 1]


def test_its_own_label_is_not_told_to_a_request() -> None:
    """A request that carries a report (a row of the lake does) is answered as if it did not."""
    events = make_events([(10 * DAY, 1000, 1, 1, 0)])
    answer, expected = (
        StreamFeatures(EVERY_KIND).serve(e, EVERY_KIND.features)[0]
        for e in (events, unreported(events))
    )
    assert {name: v.tolist() for name, v in answer.items()} == {
        name: v.tolist() for name, v in expected.items()
    }


def test_a_kind_of_feature_that_the_loops_do_not_know_is_refused_at_once() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Median(EntityFeature):
        kind: ClassVar[str] = "median"
        name = "median"

    unknown = replace(
        BASELINE, features=(*BASELINE.features, Median(entity="customer", days=3, **TEXTS))
    )
    with pytest.raises(FeatureError, match="median"):
        StreamFeatures(unknown)
