"""The kernel against an oracle that looks at every pair of events, on small random histories with
many ties.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.definition import Feature, WindowDeviation, WindowFeature
from features.errors import FeatureError
from features.feature import EntityFeature
from features.kernel import NEVER, Events, compute
from tests.features.kinds import EVERY_KIND, TEXTS
from tests.oracles.features_plain import EPOCH, Event, value

START = datetime(2026, 2, 20, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# Hours and days make ties and window edges common; a microsecond to either side makes off-by-one
# errors visible.
_instants = st.builds(
    lambda days, hours, micros: START + timedelta(days=days, hours=hours, microseconds=micros),
    st.sampled_from([0, 1, 2, 3, 7, 8, 9, 14, 30, 31, 37, 38, 44]),
    st.sampled_from([0, 0, 0, 6, 7, 23]),
    st.sampled_from([0, 0, 0, 1, -1]),
)
_delays = st.one_of(
    st.none(),
    st.builds(
        timedelta,
        days=st.sampled_from([-1, 0, 1, 7, 7, 8, 14, 30, 40]),
        microseconds=st.sampled_from([0, 1, -1]),
    ),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Up to 25 events of few entities, ids in any order."""
    size = draw(st.integers(1, 25))
    ids = draw(st.permutations(range(size)))
    events = []
    for number in ids:
        time, delay = draw(_instants), draw(_delays)
        keys = {"customer": draw(st.integers(-1, 1)), "terminal": draw(st.integers(7, 8))}
        cents = draw(st.sampled_from([0, 1, 33, 999, 1000, 10_000_000]))
        events.append(Event(number, time, cents, keys, None if delay is None else time + delay))
    return events


def columns(events: Sequence[Event]) -> Events:
    return Events(
        id=np.array([event.id for event in events]),
        time=np.array([micros(event.time) for event in events]),
        cents=np.array([event.cents for event in events]),
        reported=np.array(
            [micros(event.reported) if event.reported else NEVER for event in events]
        ),
        keys={
            name: np.array([event.keys[name] for event in events])
            for name in ("customer", "terminal")
        },
    )


def micros(time: datetime) -> int:
    return (time - EPOCH) // MICROSECOND


def agree(feature: Feature, value: float, expected: float) -> bool:
    """Equal to the bit, but for what rests on a square root of a fraction: there to 12 digits."""
    rooted = isinstance(feature, WindowDeviation) or any(
        isinstance(part, WindowDeviation) for part in feature.inputs
    )
    return value == pytest.approx(expected, rel=1e-12, abs=1e-12) if rooted else value == expected


@settings(max_examples=300, deadline=None)
@given(histories())
def test_every_kind_equals_the_oracle(events: list[Event]) -> None:
    computed = compute(EVERY_KIND.features, columns(events), np.arange(len(events)))
    for feature in EVERY_KIND.features:
        assert computed[feature.name].dtype == feature.dtype
        for row, event in enumerate(events):
            expected = value(feature, event, events)
            assert agree(feature, computed[feature.name][row], expected), (
                feature.name,
                event,
                expected,
            )


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_one_event_alone_gets_the_bits_that_it_gets_among_all(
    events: list[Event], data: st.DataObject
) -> None:
    """Batch and online: all rows in one call, or one row with only the history of its own entities
    within reach.
    """
    among_all = compute(EVERY_KIND.features, columns(events), np.arange(len(events)))
    row = data.draw(st.integers(0, len(events) - 1))
    judged = events[row]
    relevant = [e for e in events if e is judged or _matters(e, judged)]
    alone = compute(EVERY_KIND.features, columns(relevant), np.array([relevant.index(judged)]))
    for name, feature_value in alone.items():
        assert feature_value.tobytes() == among_all[name][row : row + 1].tobytes(), name


def _matters(event: Event, judged: Event) -> bool:
    same = any(event.keys[name] == judged.keys[name] for name in judged.keys)
    return same and judged.time - timedelta(days=EVERY_KIND.reach_days) < event.time <= judged.time


@settings(max_examples=50, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_order_of_events_does_not_matter(events: list[Event], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    computed = compute(EVERY_KIND.features, columns(events), np.argsort([e.id for e in events]))
    other = compute(EVERY_KIND.features, columns(shuffled), np.argsort([e.id for e in shuffled]))
    assert all(np.array_equal(computed[name], other[name]) for name in computed)


def test_window_edges_to_the_microsecond() -> None:
    """(t - 1 d, t]: the event a day ago is out, a microsecond later is in; of the same instant
    smaller ids are in.
    """
    t = START + timedelta(days=40)
    day = timedelta(days=1)
    keys = {"customer": 1, "terminal": 1}
    events = [
        Event(0, t - day, 100, keys),
        Event(1, t - day + MICROSECOND, 200, keys),
        Event(2, t, 400, keys),
        Event(3, t, 800, keys),
        Event(4, t, 1600, keys),
    ]
    computed = compute(
        [EVERY_KIND["customer_tx_count_1d"], EVERY_KIND["customer_amount_mean_1d"]],
        columns(events),
        [3],
    )
    assert computed["customer_tx_count_1d"] == [3]
    assert computed["customer_amount_mean_1d"] == [(200 + 400 + 800) / 3 / 100]


def test_report_counts_from_its_instant() -> None:
    """A fraud reported late enters at the report, not at the end of the delay, and leaves with its
    window.
    """
    keys = {"customer": 1, "terminal": 1}
    fraud = Event(0, START, 100, keys, reported=START + timedelta(days=10))
    requests = [
        Event(1, START + timedelta(days=10) - MICROSECOND, 100, keys),
        Event(2, START + timedelta(days=10), 100, keys),
        Event(3, START + timedelta(days=14) - MICROSECOND, 100, keys),
        Event(4, START + timedelta(days=14), 100, keys),
    ]
    computed = compute(
        [EVERY_KIND["terminal_fraud_rate_7d"]], columns([fraud, *requests]), [1, 2, 3, 4]
    )
    assert computed["terminal_fraud_rate_7d"].tolist() == [0.0, 1.0, 1 / 1, 0.0]


def test_hot_key_costs_no_more_than_many_keys() -> None:
    """The counts of 200,000 events of one key in 7 days are those of arithmetic: one event every
    3.024 s.
    """
    size = 200_000
    step = 7 * 86_400_000_000 // size
    keys = np.zeros(size, dtype=np.int64)
    seconds, hot = _timed(_every(step, keys))
    _, spread = _timed(_every(step, np.arange(size) % 10_000))
    assert hot < 8 * spread, "looking at every pair of events takes a thousand times as long"
    in_a_day = -(-86_400_000_000 // step)
    assert np.array_equal(
        seconds["customer_tx_count_1d"], np.minimum(np.arange(size) + 1, in_a_day)
    )
    assert np.all(seconds["customer_amount_mean_30d"] == 1.5)
    assert np.all(seconds["terminal_amount_deviation_3d"] == 0)


def test_keys_may_be_text_or_large_numbers() -> None:
    numbers = columns([Event(n, START, 100, {"customer": n % 2, "terminal": 0}) for n in range(6)])
    for keys in (np.array(["a", "b"] * 3, dtype=object), np.array([2**62, -(2**62)] * 3)):
        renamed = Events(
            id=numbers.id,
            time=numbers.time,
            cents=numbers.cents,
            reported=numbers.reported,
            keys={**numbers.keys, "customer": keys},
        )
        computed = compute([EVERY_KIND["customer_tx_count_1d"]], renamed, np.arange(6))
        assert computed["customer_tx_count_1d"].tolist() == [1, 1, 2, 2, 3, 3]


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(FeatureError, match="differ in length"):
        Events(
            id=np.arange(2), time=np.arange(2), cents=np.arange(1), reported=np.arange(2), keys={}
        )


class _Unknown(EntityFeature):
    @property
    def name(self) -> str:
        return "unknown"


def test_a_kind_without_a_function_says_so() -> None:
    events = columns([Event(0, START, 100, {"customer": 0, "terminal": 0})])
    with pytest.raises(FeatureError, match=r"features/values\.py"):
        compute([_Unknown(entity="customer", days=1, **TEXTS)], events, [0])


def _every(step: int, keys: np.ndarray) -> Events:
    """An event every `step` µs, of customers and terminals with those keys."""
    size = len(keys)
    return Events(
        id=np.arange(size),
        time=np.arange(size) * step,
        cents=np.full(size, 150),
        reported=np.full(size, NEVER),
        keys={"customer": keys, "terminal": keys},
    )


def _timed(events: Events) -> tuple[dict[str, np.ndarray], float]:
    """Every kind of feature of all events, and the seconds of computing that it took: the better of
    two times.
    """
    seconds = []
    for _ in range(2):
        began = time.process_time()
        computed = compute(EVERY_KIND.features, events, np.arange(len(events)))
        seconds.append(time.process_time() - began)
    return computed, min(seconds)


@pytest.mark.parametrize(
    "options",
    [
        {"days": 0},
        {"days": 1, "delay_days": -1},
        {"days": 1, "delay_days": 1, "include_current": False},
    ],
)
def test_impossible_windows_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(FeatureError):
        WindowFeature(entity="customer", **options, **TEXTS)
