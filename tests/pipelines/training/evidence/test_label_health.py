"""Label health: one damaged week of a slice is found and named, on train and on test days; clusters
are no damage.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.base.days import DayRange
from pipelines.training.evidence.label_health import _Weeks, labels_are_plausible
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.evidence import Band, KeyGroup, Slice

FIRST, WEEKS, A_DAY, TERMINALS = date(2026, 8, 31), 9, 2500, 2000
EXAMINED = DayRange(FIRST + timedelta(days=21), FIRST + timedelta(days=7 * WEEKS - 1))
SLICES = (
    Slice(name="night", where=(Band(column="is_night", low=1),)),
    Slice(name="rare", where=(Band(column="amount", low=99.9),)),
    *(
        Slice(name=f"terminals_{n + 1}_of_4", where=(KeyGroup(key="terminal_id", of=4, number=n),))
        for n in range(4)
    ),
)
USE = replace(USE_CASE, evidence=replace(USE_CASE.evidence, slices=SLICES))


def _world(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Events whose positives are those of terminals that are compromised for 28 days, and a few
    single ones.
    """
    random = np.random.default_rng(seed)
    rows = A_DAY * 7 * WEEKS
    number = np.repeat(np.arange(7 * WEEKS), A_DAY)
    terminal = random.integers(0, TERMINALS, rows)
    starts = random.integers(-28, 7 * WEEKS, 30)
    bad = np.zeros((TERMINALS, 7 * WEEKS), dtype=bool)
    for start, victim in zip(starts, random.integers(0, TERMINALS, 30), strict=True):
        bad[victim, max(0, start) : start + 28] = True
    label = bad[terminal, number] | (random.random(rows) < 0.012)
    frame = pd.DataFrame(
        {
            "day": (np.datetime64(FIRST) + number).astype("datetime64[us]"),
            "customer_id": random.integers(0, 1500, rows),
            "terminal_id": terminal,
            "amount": random.uniform(0, 100, rows),
            "is_night": (random.random(rows) < 0.3).astype(float),
        }
    )
    return frame, label.astype(float)


def _week(frame: pd.DataFrame, week: int) -> np.ndarray:
    day = frame["day"].to_numpy()
    first = np.datetime64(FIRST + timedelta(days=7 * week))
    return (day >= first) & (day < first + np.timedelta64(7, "D"))


@pytest.mark.guarantee(
    "poisoned labels",
    fault="a damaged week of a slice in the labels",
    seen="found, the slice is named",
)
@pytest.mark.parametrize("week", [3, 5, 8])
@pytest.mark.parametrize("damage", ["dropped", "flipped"])
def test_a_damaged_week_of_a_slice_is_found_and_named(week: int, damage: str) -> None:
    """Weeks 3 and 5 are learnt from, week 8 are the test days."""
    frame, label = _world(3)
    night = _week(frame, week) & (frame["is_night"] == 1).to_numpy()
    if damage == "dropped":
        label[night] = 0
    else:
        label[night & (np.random.default_rng(1).random(len(label)) < 0.05)] = 1
    check = labels_are_plausible(frame, label, USE, EXAMINED)
    assert check.outcome == "failed", check.found
    assert check.subjects[0] == "night"
    assert check.found.startswith("suspect labels: night on ")
    row = next(row for row in check.table if row["slice"] == "night")
    overlap = DayRange(date.fromisoformat(row["from"]), date.fromisoformat(row["to"]))
    assert FIRST + timedelta(days=7 * week) in overlap.widened(before=3, after=3)
    assert row["outcome"] == "suspect"


def test_a_group_of_terminals_that_loses_its_reports_is_named() -> None:
    frame, label = _world(5)
    label[_week(frame, 4) & (frame["terminal_id"] < TERMINALS // 4).to_numpy()] = 0
    check = labels_are_plausible(frame, label, USE, EXAMINED)
    assert check.subjects == ("terminals_1_of_4",)


def test_clusters_that_come_and_go_are_not_damage() -> None:
    """Twenty worlds whose weeks differ by far more than independent rows would: no false alarm."""
    checks = [labels_are_plausible(*_world(seed), USE, EXAMINED) for seed in range(20)]
    assert [check.found for check in checks if check.outcome != "passed"] == []
    assert max(row["dispersion"] for row in checks[0].table) > 2


def test_what_is_too_rare_is_not_judged_and_labels_that_are_not_known_do_not_count() -> None:
    frame, label = _world(1)
    label[-5000:] = np.nan
    check = labels_are_plausible(frame, label, USE, EXAMINED)
    assert "rare" not in {row["slice"] for row in check.table}
    assert "night" in {row["slice"] for row in check.table}


def test_too_short_a_history_is_said_to_be_so() -> None:
    frame, label = _world(1)
    recent = (frame["day"] >= str(FIRST + timedelta(days=7 * (WEEKS - 3)))).to_numpy()
    check = labels_are_plausible(frame[recent], label[recent], USE, EXAMINED)
    assert (check.outcome, check.found) == (
        "not applicable",
        "fewer than 4 weeks of labels to compare",
    )


@pytest.mark.parametrize("week", [3, 5, 8])
@pytest.mark.parametrize("kept", [0.25, 0.5])
def test_honest_events_that_move_while_positives_are_as_usual_are_not_suspect(
    week: int, kept: float
) -> None:
    """A week in which most of the night's legitimate events stay away (or all others do): no label
    is wrong.
    """
    frame, label = _world(3)
    random = np.random.default_rng(2).random(len(label))
    away = _week(frame, week) & (frame["is_night"] == 1).to_numpy() & (label == 0) & (random > kept)
    check = labels_are_plausible(frame[~away], label[~away], USE, EXAMINED)
    assert check.outcome == "passed", check.found
    others = (
        ~_week(frame, week) & (frame["is_night"] == 1).to_numpy() & (label == 0) & (random > kept)
    )
    check = labels_are_plausible(frame[~others], label[~others], USE, EXAMINED)
    assert check.outcome == "passed", check.found


def test_what_grows_as_a_whole_is_not_suspect_and_the_check_says_which_of_the_two_moved() -> None:
    frame, label = _world(3)
    twice = _week(frame, 8)
    both, labels = pd.concat([frame, frame[twice]]), np.concatenate([label, label[twice]])
    assert labels_are_plausible(both, labels, USE, EXAMINED).outcome == "passed"
    label[twice & (frame["is_night"] == 1).to_numpy()] = 0
    check = labels_are_plausible(frame, label, USE, EXAMINED)
    assert check.subjects[0] == "night"
    assert "the positives moved" in check.found
    assert next(row for row in check.table if row["slice"] == "night")["moved"] == "positives"


def test_a_slice_whose_windows_are_still_filling_is_left_out_and_named() -> None:
    """A count over 30 days grows from the lake's first day on, so that its slice empties into the
    one above.
    """
    frame, label = _world(3)
    grows = (frame["day"].to_numpy() - np.datetime64(FIRST)) // np.timedelta64(1, "D")
    frame = frame.assign(
        terminal_tx_count_30d=np.minimum(grows, 37) * np.random.default_rng(1).random(len(label))
    )
    quiet = Slice(name="quiet_terminals", where=(Band(column="terminal_tx_count_30d", high=20),))
    use = replace(USE_CASE, evidence=replace(USE_CASE.evidence, slices=(*SLICES, quiet)))
    early = (frame["terminal_tx_count_30d"] < 20).to_numpy() & (grows < 28)
    label[early & (np.random.default_rng(4).random(len(label)) < 0.1)] = 1
    quiet_is_judged = labels_are_plausible(frame, label, use, EXAMINED)
    assert "quiet_terminals" in {row["slice"] for row in quiet_is_judged.table}
    check = labels_are_plausible(frame, label, use, EXAMINED, first_day=FIRST)
    assert "quiet_terminals" not in {row["slice"] for row in check.table}
    assert "windows are still filling, not judged: quiet_terminals" in check.found
    older = labels_are_plausible(frame, label, use, EXAMINED, first_day=FIRST - timedelta(days=37))
    assert "quiet_terminals" in {row["slice"] for row in older.table}


def test_weeks_are_judged_from_the_first_whole_one_on() -> None:
    weeks = _Weeks(FIRST, np.zeros(0, dtype=np.int64), WEEKS, 0, ())
    days = (None, FIRST - timedelta(days=30), FIRST, FIRST + timedelta(days=1))
    later = (FIRST + timedelta(days=7), FIRST + timedelta(days=8))
    assert [weeks.week_from(day) for day in (*days, *later)] == [0, 0, 0, 1, 1, 2]


def test_a_week_without_events_says_nothing_of_the_rate() -> None:
    """Ten of a hundred are positive each day; one week has no events at all, another no
    positives.
    """
    day = np.repeat(np.arange(7 * WEEKS), 100)
    there = day // 7 != 2
    label = (np.arange(len(day)) % 10 == 0) & (day // 7 != 5)
    entity = (np.arange(len(day)) % 50, 50)
    weeks = _Weeks(FIRST, day, WEEKS, 21, (entity,))
    worst = weeks.worst(label.astype(float), there, USE.evidence)
    assert worst is not None
    assert worst.days == DayRange.of_length(FIRST + timedelta(days=35), 7)
    assert (worst.events, worst.expected, worst.usual, worst.positives) == (700, 70.0, 70.0, 0)
