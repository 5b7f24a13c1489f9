"""Splits, labels as known and removed cards equal the plain-Python oracle, and the published sizes
on real data.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import UsageError
from pipelines.training.frames import Split, judged, labels_at, learnable, rows_of
from pipelines.usecases.registry import load
from tests.oracles.labels import is_blocked, label_at
from tests.pipelines.training.training_frames import frame_of, handbook_frame

FRAUD = load("fraud")
START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = st.integers(0, 24 * 24)
EVENTS = st.lists(
    st.tuples(HOURS, st.integers(0, 5), st.one_of(st.none(), st.integers(0, 12 * 24))), max_size=40
)


def _events(drawn):
    for number, (hour, customer, delay) in enumerate(drawn):
        time = START + timedelta(hours=hour)
        yield number, time, customer, None if delay is None else time + timedelta(hours=delay)


@given(EVENTS, st.integers(0, 40 * 24))
@settings(deadline=None)
def test_labels_as_known_equal_the_oracle(drawn, hour):
    events, as_of = list(_events(drawn)), START + timedelta(hours=hour)
    labels = labels_at(frame_of(events), FRAUD, as_of)
    expected = [label_at(time, [] if at is None else [at], as_of, 7) for _, time, _, at in events]
    assert [None if math.isnan(value) else int(value) for value in labels] == expected


@given(EVENTS, st.integers(0, 3))
@settings(deadline=None)
def test_judged_rows_equal_the_oracle(drawn, start):
    events = list(_events(drawn))
    split = Split.of(
        date(2026, 1, 1) + timedelta(days=start), train_days=7, delay_days=7, test_days=7
    )
    as_of = split.test.end + timedelta(days=12)
    history = [
        {"card": card, "event_time": time, "reported_at": at} for _, time, card, at in events
    ]
    expected = {
        number: int(at is not None)
        for number, time, card, at in events
        if time.date() in split.test
        and not is_blocked(card, time.date(), split.train.first, history)
    }
    rows, label = judged(frame_of(events), FRAUD, split, as_of)
    assert (
        dict(zip(rows["transaction_id"].tolist(), label.astype(int).tolist(), strict=True))
        == expected
    )


def test_a_split_follows_its_train_days_after_the_delay():
    split = Split.of(date(2018, 7, 25), train_days=7, delay_days=7, test_days=7)
    assert (str(split.train), str(split.test)) == (
        "2018-07-25..2018-07-31",
        "2018-08-08..2018-08-14",
    )
    assert str(split.history(28)) == "2018-07-04..2018-07-31"
    assert Split.before(date(2018, 8, 14), FRAUD) == split


def test_what_is_reported_after_the_test_days_begin_is_not_learnt():
    split = Split.of(date(2026, 1, 1), train_days=7, delay_days=7, test_days=7)
    time = START + timedelta(days=2)
    frame = frame_of(
        [
            (1, time, 1, split.known_at),
            (2, time, 2, split.known_at + timedelta(microseconds=1)),
            (3, time, 3, None),
        ]
    )
    rows, label = learnable(frame, FRAUD, split.train, split.known_at)
    assert dict(zip(rows["transaction_id"], label, strict=True)) == {1: 1.0, 2: 0.0, 3: 0.0}


@pytest.mark.parametrize("lengths", [(0, 7, 7), (7, -1, 7), (7, 7, 0)])
def test_impossible_lengths_are_refused(lengths):
    train, delay, test = lengths
    with pytest.raises(UsageError, match="impossible lengths"):
        Split.of(date(2026, 1, 1), train_days=train, delay_days=delay, test_days=test)


@pytest.mark.real
def test_the_published_sizes_come_out(real_data):
    frame = handbook_frame(real_data, DayRange.parse("2018-07-25", "2018-08-14"))
    split = Split.of(date(2018, 7, 25), train_days=7, delay_days=7, test_days=7)
    train = rows_of(frame, split.train)
    rows, label = judged(frame, FRAUD, split, midnight(date(2018, 8, 22)))
    assert (len(train), int(labels_at(train, FRAUD, split.known_at).sum())) == (67_240, 598)
    assert (len(rows), int(label.sum())) == (58_264, 385)
