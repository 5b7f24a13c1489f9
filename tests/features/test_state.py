"""States move alike whatever the order and however often, and end where a rebuild at midnight
begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.fraud import BASELINE
from features.instants import MICROSECONDS_PER_DAY as DAY
from features.state import (
    AMOUNTS,
    EMPTY,
    IDS,
    REPORTED,
    TIMES,
    EntityState,
    build_states,
    entities_with_state,
    state_columns,
    state_reach_days,
)
from features.timeline import NEVER


@dataclass(frozen=True)
class Move:
    """An event, or a report of it (`time` is then when it was reported)."""

    kind: str
    id: int
    time: int
    cents: int = 0

    def __call__(self, state: EntityState) -> EntityState:
        if self.kind == "event":
            return state.observe(self.id, self.time, self.cents)
        return state.report(self.id, self.time)


@st.composite
def histories(draw: st.DrawFn) -> list[Move]:
    """Events with few distinct instants, so that they tie; some reported, some more than once."""
    events = [
        Move("event", i, draw(st.integers(0, 6)) * DAY // 2, draw(st.integers(0, 50_000)))
        for i in draw(st.lists(st.integers(0, 99), unique=True, max_size=8))
    ]
    reports: list[Move] = []
    for event in events:
        delays = draw(st.lists(st.integers(0, 6), max_size=2))
        reports += [Move("report", event.id, event.time + delay * DAY // 2) for delay in delays]
    return events + reports


def events_first(moves: list[Move]) -> list[Move]:
    """A report moves a state only once its event is there (`StreamFeatures` holds it back until
    then).
    """
    return sorted(moves, key=lambda move: move.kind)


def moved(moves: list[Move]) -> EntityState:
    state = EMPTY
    for move in moves:
        state = move(state)
    return state


def rebuilt(moves: list[Move], *, as_of: int, reach_days: int) -> EntityState:
    """What a night makes of the moves that happened before `as_of`."""
    events = [move for move in moves if move.kind == "event"]
    reports = {e.id: [m.time for m in moves if m.kind == "report" and m.id == e.id] for e in events}
    columns = {
        IDS: [e.id for e in events],
        TIMES: [e.time for e in events],
        AMOUNTS: [e.cents for e in events],
        REPORTED: [min(reports[e.id], default=NEVER) for e in events],
    }
    arrays = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    keys = np.full(len(events), 7)
    return build_states(keys, arrays, as_of=as_of, reach_days=reach_days).get(7, EMPTY)


@given(histories(), st.randoms())
def test_order_does_not_matter(moves: list[Move], random: object) -> None:
    shuffled = list(moves)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert moved(events_first(shuffled)) == moved(events_first(moves))


@given(histories(), st.data())
def test_a_move_that_comes_twice_changes_nothing(moves: list[Move], data: st.DataObject) -> None:
    ordered = events_first(moves)
    again = data.draw(st.lists(st.sampled_from(ordered), max_size=4)) if ordered else []
    assert moved([*ordered, *events_first(again)]) == moved(ordered)


@given(histories(), st.integers(1, 6), st.integers(1, 3))
def test_a_moved_state_is_the_state_that_the_next_night_builds(
    moves: list[Move], night: int, reach: int
) -> None:
    """From the evening's state by the day's moves to the next midnight: the same as building it
    from the lake.
    """
    before, after = (night - 1) * DAY, night * DAY
    state = rebuilt(moves, as_of=before, reach_days=reach)
    today = [move for move in moves if before <= move.time < after]
    state = moved_on(state, events_first(today)).after(after - reach * DAY)
    assert state == rebuilt(moves, as_of=after, reach_days=reach)


def moved_on(state: EntityState, moves: list[Move]) -> EntityState:
    for move in moves:
        state = move(state)
    return state


@given(histories())
def test_events_stay_in_the_order_of_time_and_id(moves: list[Move]) -> None:
    state = moved(events_first(moves))
    pairs = list(zip(state.event_times.tolist(), state.event_ids.tolist(), strict=True))
    assert pairs == sorted(pairs)
    assert len(set(state.event_ids.tolist())) == len(state)


def test_states_are_never_changed_in_place() -> None:
    before = EMPTY.observe(1, 10, 500)
    before.observe(2, 5, 100)
    before.report(1, 20)
    assert before == EntityState.of({IDS: [1], TIMES: [10], AMOUNTS: [500]})


def test_an_event_at_the_edge_of_reach_is_out_and_a_report_at_midnight_is_not_known_yet() -> None:
    columns = {IDS: [1, 2, 3], TIMES: [DAY, DAY + 1, 3 * DAY], REPORTED: [NEVER, 3 * DAY, NEVER]}
    arrays = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    states = build_states(np.zeros(3, dtype=np.int64), arrays, as_of=3 * DAY, reach_days=2)
    assert states[0].event_ids.tolist() == [2]
    assert states[0].reported_at.tolist() == [NEVER]


def test_only_the_arrays_that_the_definitions_read_are_kept() -> None:
    assert entities_with_state(BASELINE) == ("customer", "terminal")
    assert state_columns(BASELINE, "customer") == (IDS, TIMES, AMOUNTS)
    assert state_columns(BASELINE, "terminal") == (IDS, TIMES, REPORTED)
    assert (state_reach_days(BASELINE, "customer"), state_reach_days(BASELINE, "terminal")) == (
        30,
        37,
    )
    counts = replace(
        BASELINE, features=tuple(f for f in BASELINE.features if f.name == "customer_tx_count_7d")
    )
    assert entities_with_state(counts) == ("customer",)
    assert state_columns(counts, "customer") == (IDS, TIMES)
    assert state_reach_days(counts, "customer") == 7
