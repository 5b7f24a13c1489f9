"""The online path answers what the batch answers, at every instant of a stream, and knows no more than it may."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import FeatureSet
from features.fraud import BASELINE
from features.kernel import NEVER, Events, compute
from features.online import LiveFeatures, MemoryStates, OnlineFeatures, one_by_one
from features.state import EMPTY, EntityState
from features.timeline import MICROSECONDS_PER_DAY as DAY
from pipelines.usecases.registry import load
from tests.features.streams import days_of_events, make_events, unreported

SETS = [BASELINE, load("fraud").stored_features]


def streamed(feature_set: FeatureSet, events: Events) -> dict[str, list[Any]]:
    """The answers for all events, in the order of their ids, from a stream that begins with nothing."""
    live = LiveFeatures(feature_set, MemoryStates())
    coming = list(one_by_one(unreported(events)))
    reports = [(at, 0, i) for i, at in enumerate(events.reported.tolist()) if at != NEVER]
    stream = sorted([*reports, *((at, 1, i) for i, at in enumerate(events.time.tolist()))])
    answers: dict[int, dict[str, Any]] = {}
    for at, is_event, i in stream:
        if is_event:
            answers[i] = live.serve(coming[i])
        else:
            live.report(i, at)
    return {name: [answers[i][name][0] for i in range(len(events))] for name in feature_set.names}


@pytest.mark.parametrize("feature_set", SETS, ids=lambda s: s.name)
@settings(max_examples=60, deadline=None)
@given(events=days_of_events())
def test_a_stream_gives_the_bits_of_the_batch(feature_set: FeatureSet, events: Events) -> None:
    batch = compute(feature_set.features, events, np.arange(len(events)))
    online = streamed(feature_set, events)
    for name in feature_set.names:
        assert batch[name].tobytes() == np.array(online[name], dtype=batch[name].dtype).tobytes(), name


@settings(max_examples=40, deadline=None)
@given(events=days_of_events(), random=st.randoms())
def test_a_stream_out_of_order_and_twice_ends_in_the_same_states(events: Events, random: Any) -> None:
    coming = list(one_by_one(unreported(events)))
    moves = [("event", i) for i in range(len(events))]
    moves += [("report", i) for i in np.flatnonzero(events.reported != NEVER).tolist()]

    def run_through(moves: list[tuple[str, int]]) -> dict[str, dict[Any, EntityState]]:
        store = MemoryStates()
        live = LiveFeatures(BASELINE, store)
        for kind, i in moves:
            live.observe(coming[i]) if kind == "event" else live.report(i, int(events.reported[i]))
        return store.states

    shuffled = [*moves, *moves[:5]]
    random.shuffle(shuffled)
    assert run_through(shuffled) == run_through(moves)


def test_an_unknown_entity_gets_the_defaults_and_sees_itself() -> None:
    request = make_events([(10 * DAY + 5, 1234, 1, 1, None)])
    answer = LiveFeatures(BASELINE, MemoryStates()).ask(request)
    assert answer["customer_tx_count_30d"].tolist() == [1]
    assert answer["customer_amount_mean_30d"].tolist() == [12.34]
    assert answer["terminal_tx_count_30d"].tolist() == [0]
    assert answer["terminal_fraud_rate_30d"].tolist() == [0.0]
    assert answer["terminal_fraud_rate_30d"].dtype == np.float64
    assert answer["terminal_tx_count_30d"].dtype == np.int64


def test_asking_moves_nothing_and_asking_again_after_the_event_counts_it_once() -> None:
    request = make_events([(10 * DAY, 1000, 1, 1, None)])
    live = LiveFeatures(BASELINE, MemoryStates())
    first = live.ask(request)
    assert live.ask(request) == first
    live.observe(request)
    assert live.ask(request) == first


def test_requests_of_one_batch_do_not_see_each_other() -> None:
    requests = make_events([(10 * DAY, 1000, 1, 1, None), (10 * DAY + 1, 3000, 1, 1, None)])
    online = OnlineFeatures(BASELINE)
    nobody = {entity: [EMPTY, EMPTY] for entity in online.entities}
    together = online.compute(requests, nobody)
    alone = [online.compute(one, {e: [EMPTY] for e in online.entities}) for one in one_by_one(requests)]
    for name in BASELINE.names:
        assert together[name].tolist() == [answer[name][0] for answer in alone], name


def test_a_count_shrinks_while_nothing_happens() -> None:
    """What makes stored answers wrong and stored events right."""
    live = LiveFeatures(BASELINE, MemoryStates())
    live.observe(make_events([(0, 1000, 1, 1, None)]))
    counts = [
        live.ask(Events(id=np.array([9]), time=np.array([at]), cents=np.array([1]), reported=np.array([NEVER]),
                        keys={"customer": np.array([1]), "terminal": np.array([1])}))["customer_tx_count_1d"][0]
        for at in (1, DAY - 1, DAY)
    ]  # fmt: skip
    assert counts == [2, 2, 1]


def test_its_own_label_is_not_told_to_a_request() -> None:
    """A request that carries a report (a row of the lake does) is answered as if it did not."""
    told = make_events([(10 * DAY, 1000, 1, 1, 0)])
    online = OnlineFeatures(SETS[1])
    nobody = {entity: [EMPTY] for entity in online.entities}
    answer, expected = online.compute(told, nobody), online.compute(unreported(told), nobody)
    assert {name: values.tolist() for name, values in answer.items()} == {
        name: values.tolist() for name, values in expected.items()
    }
