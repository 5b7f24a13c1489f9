"""Small streams of events that tie, end windows on events and are reported, for the tests of the
live path.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from features.instants import MICROSECONDS_PER_DAY as DAY
from features.kernel import NEVER, Events


def make_events(rows: list[tuple[int, int, int, int, int | None]]) -> Events:
    """Rows of (time, cents, customer, terminal, delay of the report or None); ids count up."""
    columns = [
        np.array(column, dtype=np.int64) for column in zip(*[row[:4] for row in rows], strict=True)
    ]
    reported = np.array([NEVER if r[4] is None else r[0] + r[4] for r in rows], dtype=np.int64)
    keys = {"customer": columns[2], "terminal": columns[3]}
    return Events(
        id=np.arange(len(rows)), time=columns[0], cents=columns[1], reported=reported, keys=keys
    )


def unreported(events: Events) -> Events:
    """The events as they come in: nobody knows yet which are positive."""
    never = np.full(len(events), NEVER)
    return Events(
        id=events.id, time=events.time, cents=events.cents, reported=never, keys=events.keys
    )


@st.composite
def days_of_events(draw: st.DrawFn) -> Events:
    """Few customers, terminals and instants over five weeks, so that windows end on events and
    events tie.
    """
    instant = st.integers(0, 80).map(lambda half_days: half_days * DAY // 2)
    delay = st.one_of(st.none(), st.integers(0, 16).map(lambda half_days: half_days * DAY // 2))
    row = st.tuples(instant, st.integers(0, 90_000), st.integers(1, 3), st.integers(1, 2), delay)
    return make_events(draw(st.lists(row, min_size=1, max_size=30)))
