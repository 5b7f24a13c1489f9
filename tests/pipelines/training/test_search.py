"""The search sees only what was known before the test days, and takes what did best on the weeks
before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest

from pipelines.base.errors import PermanentError
from pipelines.training.frames import Split
from pipelines.training.search import choose_parameters, fit_for, validation_splits
from pipelines.usecases.registry import load
from tests.pipelines.training.training_frames import simulated_frame

NAMES = ("amount", "noise")
FIRST = date(2026, 1, 1)
BAD, GOOD = {"max_depth": 1, "num_boost_round": 1}, {"max_depth": 3, "num_boost_round": 15}
SPLIT = Split.of(date(2026, 1, 29), train_days=7, delay_days=7, test_days=7)


def _use_case(*search, history_days=14, folds=2):
    fraud = load("fraud")
    policy = replace(
        fraud.model,
        fixed={"eta": 0.3},
        search=search,
        history_days=history_days,
        search_folds=folds,
    )
    return replace(fraud, model=policy)


def test_validation_weeks_are_over_and_mature_when_the_test_days_begin():
    weeks = validation_splits(SPLIT, _use_case(GOOD))
    assert [str(week.test) for week in weeks] == [
        "2026-01-29..2026-02-04",
        "2026-01-22..2026-01-28",
    ]
    for week in weeks:
        assert week.test.end + timedelta(days=7) <= SPLIT.known_at


def test_the_best_candidate_wins_and_every_trial_is_told():
    frame = simulated_frame(FIRST, 56)
    search = choose_parameters(frame, _use_case(BAD, GOOD), NAMES, SPLIT)
    assert search.parameters == {"eta": 0.3, **GOOD}
    assert [len(trial.weeks) for trial in search.trials] == [2, 2]
    assert search.trials[1].mean > search.trials[0].mean
    assert {"test_from", "auc_roc", "average_precision", "card_precision_at_100"} == set(
        search.trials[0].weeks[0]
    )


def test_nothing_from_the_test_days_on_changes_the_choice_or_the_model():
    use_case = _use_case(BAD, GOOD)
    frame = simulated_frame(FIRST, 56)
    later = frame["event_time"] >= SPLIT.known_at
    changed = frame.copy()
    changed.loc[later, ["amount", "noise"]] = 0.0
    changed["reported_at"] = frame["reported_at"].where(frame["reported_at"] <= SPLIT.known_at)
    assert not changed.equals(frame)
    first, other = (
        choose_parameters(history, use_case, NAMES, SPLIT) for history in (frame, changed)
    )
    assert first == other
    models = [
        fit_for(history, use_case, NAMES, SPLIT, first.parameters).save_raw("ubj")
        for history in (frame, changed)
    ]
    assert models[0] == models[1]


def test_without_a_covered_week_the_first_candidate_is_taken():
    frame = simulated_frame(date(2026, 1, 22), 35)
    search = choose_parameters(frame, _use_case(GOOD, BAD), NAMES, SPLIT)
    assert (search.parameters, search.trials) == ({"eta": 0.3, **GOOD}, ())


def test_a_history_without_a_positive_is_refused():
    frame = simulated_frame(FIRST, 56)
    frame["reported_at"] = frame["reported_at"].where(frame["reported_at"] > SPLIT.known_at)
    with pytest.raises(PermanentError, match="nothing to learn from"):
        fit_for(frame, _use_case(GOOD), NAMES, SPLIT, {**GOOD})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "no report at all",
            ["0 positive", "14 days 14 have events and 0 have", "are empty", "import mapping"],
        ),
        (
            "all too late",
            [
                "0 positive",
                "and 14 have events that a report names",
                "later than label.delay_days (7)",
            ],
        ),
        (
            "all positive",
            [
                "0 negative",
                "name every event",
                "which label values the import mapping calls positive",
            ],
        ),
        (
            "no event",
            [
                "0 positive, 0 negative",
                "0 have events",
                "tollgate run ingest",
                "tollgate run features",
            ],
        ),
    ],
)
def test_labels_of_one_kind_point_at_their_cause(change: str, words: list[str]) -> None:
    frame = simulated_frame(FIRST, 56)
    at_once = frame["event_time"]
    never = at_once.where(at_once > at_once.max())
    late = at_once.where(
        at_once > SPLIT.known_at, pd.Timestamp(SPLIT.known_at) + pd.Timedelta(days=1)
    )
    frame["reported_at"] = {
        "no report at all": never,
        "all too late": late,
        "all positive": at_once,
    }.get(change, never)
    if change == "no event":
        frame = frame[frame["event_time"] >= SPLIT.known_at]

    with pytest.raises(PermanentError) as refused:
        fit_for(frame, _use_case(GOOD), NAMES, SPLIT, {**GOOD})

    message = str(refused.value)
    assert all(word in message for word in words), message
    assert "ingest more days" not in message
