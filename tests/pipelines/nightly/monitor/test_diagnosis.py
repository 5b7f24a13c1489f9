"""Causes told apart on made-up days: each kind of trouble gets its name, a usual day and a Sunday
get none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.nightly.monitor.diagnosis.causes import Cause
from pipelines.nightly.monitor.diagnosis.day import Known, watch_day
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis
from pipelines.nightly.monitor.drift.coherence import coherence
from pipelines.nightly.monitor.performance.review_outcome import Worth, logit
from pipelines.nightly.monitor.profile import DayProfile
from pipelines.nightly.monitor.sketch import sketch
from pipelines.usecases.policies.watch import WatchPolicy

FIRST = date(2026, 9, 7)
TODAY = FIRST + timedelta(days=35)
POLICY = WatchPolicy()
EDGES = (25, 50, 75)
REACH = {"count_30d": 30, "ratio": 1}
Change = Callable[[dict[str, np.ndarray]], None]


def rows_of(day: date, rows: int = 4000) -> dict[str, np.ndarray]:
    """A day's events: fewer on Sundays, otherwise alike."""
    rng = np.random.default_rng(day.toordinal())
    n = rng.poisson(rows * (0.4 if day.weekday() == 6 else 1.0))
    key = rng.integers(0, 100, n)
    amount = rng.gamma(2.0, 25.0, n)
    count = 10.0 + key % 7 + rng.normal(0, 0.3, n)
    return {
        "hour": np.clip(rng.normal(12, 5, n), 0, 23).astype(int),
        "key": key,
        "amount": amount,
        "count_30d": count,
        "ratio": amount / count,
        "score": 1 / (1 + np.exp(6 - amount / 30 - rng.normal(0, 1, n))),
    }


def profile(rows: Mapping[str, np.ndarray], **given: object) -> DayProfile:
    """The profile of a day's events, as the monitor makes it."""
    n, fields = len(rows["amount"]), {"reports": 60, "rejected": 0.001, "release": "r"} | given
    time = np.arange(n)
    features = {name: rows[name] for name in ("count_30d", "ratio")}
    return DayProfile(
        rows=n,
        hours=tuple(np.bincount(rows["hour"], minlength=24).tolist()),
        blocks={
            "key": tuple(
                np.bincount(np.searchsorted(EDGES, rows["key"], side="right"), minlength=4).tolist()
            )
        },
        edges={"key": EDGES},
        units={"key": len(np.unique(rows["key"]))},
        inputs={"amount": sketch(rows["amount"])},
        features={name: sketch(values) for name, values in features.items()},
        coherence=coherence(rows["key"], time, {"count_30d": rows["count_30d"]}),
        score=sketch(logit(rows["score"])),
        tail=float(np.mean(rows["score"] >= 0.5)) if n else None,
        **fields,  # type: ignore[arg-type]
    )


def worth_of(hits: int, missed: int) -> Worth:
    return Worth(
        listed=100,
        hits=hits,
        missed=missed,
        caught_money=1.0,
        missed_money=1.0,
        counts=[0] * 34,
        positives=[0] * 34,
    )


@pytest.fixture(scope="module")
def past() -> dict[date, DayProfile]:
    return {day: profile(rows_of(day)) for day in (FIRST + timedelta(days=n) for n in range(35))}


def told(
    past: Mapping[date, DayProfile],
    today: DayProfile,
    day: date = TODAY,
    *,
    hits: int = 60,
    missed: int = 15,
    causes: Mapping[date, Cause] | None = None,
) -> Diagnosis:
    """The diagnosis of a day, whose matured day had `hits` and `missed` where 60 and 15 are
    usual.
    """
    subject = day - timedelta(days=7)
    rng = np.random.default_rng(3)
    usual = {
        subject - timedelta(days=n): worth_of(*rng.poisson((60, 15)).tolist()) for n in range(1, 25)
    }
    past_days = Known(
        profiles=past, causes=causes or {}, worths={**usual, subject: worth_of(hits, missed)}
    )
    return watch_day(
        day, today, past_days, POLICY, subject=subject, reach=lambda name: REACH.get(name, 0)
    )


def damaged(change: Change) -> DayProfile:
    rows = rows_of(TODAY)
    change(rows)
    return profile(rows)


def test_usual_days_and_sundays_are_well(past: Mapping[date, DayProfile]) -> None:
    for number in range(7):
        day = TODAY + timedelta(days=number)
        assert told(past, profile(rows_of(day)), day).cause == "well", day


def test_a_sunday_on_a_monday_is_a_feed(past: Mapping[date, DayProfile]) -> None:
    diagnosis = told(past, profile(rows_of(TODAY - timedelta(days=1))))
    assert (diagnosis.cause, diagnosis.severity, diagnosis.evidence[0].name) == (
        "feed",
        "page",
        "volume",
    )
    assert "Monday" in diagnosis.evidence[0].told


def only(rows: dict[str, np.ndarray], keep: np.ndarray) -> None:
    rows.update({name: values[keep] for name, values in rows.items()})


def holiday(rows: dict[str, np.ndarray]) -> None:
    rows.update({name: np.concatenate([values, values]) for name, values in rows.items()})
    rows["amount"] = rows["amount"] * 1.5


def hit_scores(rows: dict[str, np.ndarray]) -> None:
    holiday(rows)
    rows["score"] = np.clip(rows["score"] * 6, 0, 0.999)


@pytest.mark.parametrize(
    ("change", "cause", "evidence", "severity"),
    [
        (
            lambda rows: only(rows, (rows["hour"] < 12) | (rows["hour"] > 14)),
            "feed",
            "hours 12",
            "ticket",
        ),
        (lambda rows: only(rows, rows["key"] >= 25), "feed", "keys 0", "ticket"),
        (lambda rows: only(rows, np.arange(len(rows["key"])) % 4 > 0), "feed", "volume", "ticket"),
        (
            lambda rows: rows["amount"].__setitem__(slice(0, 800), np.nan),
            "feed",
            "amount",
            "ticket",
        ),
        (
            lambda rows: rows.update(count_30d=np.zeros(len(rows["key"]))),
            "bug",
            "count_30d",
            "page",
        ),
        (lambda rows: rows.update(ratio=rows["ratio"] * 100), "bug", "ratio", "page"),
        (
            lambda rows: rows.update(
                count_30d=np.random.default_rng(1).permutation(rows["count_30d"])
            ),
            "bug",
            "count_30d",
            "page",
        ),
        (
            lambda rows: rows.update(score=np.clip(rows["score"] * 5, 0, 0.99)),
            "bug",
            "score",
            "page",
        ),
        (holiday, "inputs", "volume", "note"),
        (hit_scores, "harmful", "tail", "ticket"),
    ],
)
def test_each_trouble_has_its_name(
    past: Mapping[date, DayProfile], change: Change, cause: Cause, evidence: str, severity: str
) -> None:
    diagnosis = told(past, damaged(change))
    assert (diagnosis.cause, diagnosis.severity) == (cause, severity), diagnosis.describe()
    assert evidence in {signal.name for signal in diagnosis.evidence}, diagnosis.describe()
    assert diagnosis.runbook


def test_fallen_performance_is_a_concept_where_all_else_was_still(
    past: Mapping[date, DayProfile],
) -> None:
    today = profile(rows_of(TODAY))
    diagnosis = told(past, today, hits=30, missed=60)
    assert (diagnosis.cause, diagnosis.severity) == ("concept", "page")
    assert diagnosis.subject_day == TODAY - timedelta(days=7)
    moved = told(past, today, hits=30, missed=60, causes={TODAY - timedelta(days=7): "inputs"})
    assert moved.cause == "harmful", "the inputs of that day had moved"
    again = told(past, today, hits=30, missed=60, causes={TODAY - timedelta(days=7): "bug"})
    assert (again.cause, again.severity) == ("echo", "none"), "it was told on that day"


def test_missing_labels_are_a_feed_and_say_nothing_of_performance(
    past: Mapping[date, DayProfile],
) -> None:
    diagnosis = told(past, profile(rows_of(TODAY), reports=0), hits=0, missed=0)
    assert (diagnosis.cause, diagnosis.evidence[0].name) == ("feed", "labels")


def test_long_windows_that_still_hold_a_holiday_are_its_echo(
    past: Mapping[date, DayProfile],
) -> None:
    today = damaged(lambda rows: rows.update(count_30d=rows["count_30d"] + 2))
    assert told(past, today).cause == "bug"
    assert told(past, today, causes={TODAY - timedelta(days=20): "inputs"}).cause == "echo"
    assert told(past, today, causes={TODAY - timedelta(days=40): "inputs"}).cause == "bug", (
        "out of reach"
    )


def test_the_second_day_of_a_holiday_is_not_made_usual_by_the_first() -> None:
    """With two weeks of history one odd day among a few would widen what is allowed of the next."""
    days = [FIRST + timedelta(days=n) for n in range(17)]
    past = {day: profile(rows_of(day)) for day in days[:15]}
    causes: dict[date, Cause] = {}
    for day in days[15:]:
        rows = rows_of(day)
        hit_scores(rows)
        past[day] = profile(rows)
        diagnosis = told(
            {earlier: profile_then for earlier, profile_then in past.items() if earlier < day},
            past[day],
            day,
            causes=causes,
        )
        causes[day] = diagnosis.cause
    assert list(causes.values()) == ["harmful", "harmful"]


def test_a_floor_is_wider_where_few_days_say_how_far_usual_days_are_from_each_other() -> None:
    days = [FIRST + timedelta(days=n) for n in range(36)]
    past = {day: profile(rows_of(day)) for day in days[:35]}
    for weeks_of_days, cause in ((15, "well"), (35, "bug")):
        rows = rows_of(days[weeks_of_days])
        rows["ratio"] = rows["ratio"] + 0.13 * np.std(rows["ratio"])
        assert (
            told(
                {day: past[day] for day in days[:weeks_of_days]}, profile(rows), days[weeks_of_days]
            ).cause
            == cause
        ), weeks_of_days


def test_days_that_were_broken_are_no_measure_of_what_is_usual(
    past: Mapping[date, DayProfile],
) -> None:
    broken = dict(past)
    for week in (1, 2, 3):
        day = TODAY - timedelta(weeks=week)
        broken[day] = replace(past[day], rows=400)
    causes: dict[date, Cause] = {TODAY - timedelta(weeks=week): "feed" for week in (1, 2, 3)}
    assert told(broken, profile(rows_of(TODAY)), causes=causes).cause == "well"


def test_clear_answers_where_nothing_can_be_judged(past: Mapping[date, DayProfile]) -> None:
    today = profile(rows_of(TODAY))
    assert told({}, today).cause == "unjudged"
    assert "0 Mondays known before" in told({}, today).describe()
    assert told(past, DayProfile(rows=0)).cause == "feed"
    assert told({}, DayProfile(rows=0)).severity == "page"
    three = {name: values[:3] for name, values in rows_of(TODAY).items()}
    assert told(past, profile(three)).cause == "feed"
    nulls = {**rows_of(TODAY), "ratio": np.full(len(rows_of(TODAY)["key"]), np.nan)}
    assert told(past, profile(nulls)).cause == "bug"


@given(
    st.integers(0, 3),
    st.sampled_from(["amount", "ratio", "count_30d", "score"]),
    st.integers(0, 40),
)
def test_no_day_crashes_whatever_is_in_it(rows: int, null: str, history: int) -> None:
    made = {name: values[:rows].astype(float) for name, values in rows_of(TODAY).items()}
    made["hour"], made["key"] = made["hour"].astype(int), made["key"].astype(int)
    made[null] = np.full(rows, np.nan)
    few = {TODAY - timedelta(days=n): profile(made) for n in range(1, history, 5)}
    diagnosis = told(few, profile(made))
    assert diagnosis.describe()
    assert DayProfile.of_account(profile(made).account()).account() == profile(made).account()


@pytest.mark.parametrize("history", [7, 10, 21])
def test_a_small_banks_unlucky_week_calls_nobody_and_all_of_its_fraud_hiding_does(
    past: Mapping[date, DayProfile], history: int
) -> None:
    """Some 19 frauds a day, as in the demo: 13 caught, 4 missed, and then days of 10 missed; or of
    nothing caught.
    """
    subject, today = TODAY - timedelta(days=7), profile(rows_of(TODAY))

    def diagnosis(hits: int, missed: int) -> Diagnosis:
        usual = {
            subject - timedelta(days=n): worth_of(12 + n % 3, 3 + n % 3)
            for n in range(5, 5 + history)
        }
        lately = {subject - timedelta(days=n): worth_of(hits, missed) for n in range(5)}
        past_days = Known(profiles=past, worths={**usual, **lately})
        return watch_day(TODAY, today, past_days, POLICY, subject=subject)

    assert diagnosis(12, 10).severity == "none"
    assert (diagnosis(0, 22).cause, diagnosis(0, 22).severity) == ("concept", "page")


@pytest.mark.parametrize("usual", [2, 8, 14])
def test_counts_that_chance_alone_may_take_away_are_no_broken_feed(usual: int) -> None:
    days = {
        FIRST + timedelta(days=n): profile(rows_of(FIRST + timedelta(days=n)), reports=usual)
        for n in range(35)
    }
    assert told(days, profile(rows_of(TODAY), reports=0)).cause == "well"
    few = {day: replace(earlier_profile, rows=usual) for day, earlier_profile in days.items()}
    assert told(few, DayProfile(rows=0)).cause == "unjudged"


@pytest.mark.parametrize("usual_share", [0.0, 0.004, 0.006, 0.015])
def test_a_feature_that_is_zero_in_nearly_all_rows_moves_by_its_share_of_other_rows(
    usual_share: float,
) -> None:
    """At 0.5 % the highest kept quantile is zero on one day and not on the next; at more than 2 %
    off it is a bug.
    """

    def with_rate(day: date, share: float) -> DayProfile:
        rows = rows_of(day)
        rng = np.random.default_rng(day.toordinal() + 1)
        rows["ratio"] = np.where(rng.random(len(rows["ratio"])) < share, 0.5, 0.0)
        return profile(rows)

    days = {
        FIRST + timedelta(days=n): with_rate(FIRST + timedelta(days=n), usual_share)
        for n in range(35)
    }
    for share in (0.0, 0.005, 0.008, 0.015):
        if share or not usual_share:
            assert told(days, with_rate(TODAY, share)).cause == "well", share
    assert told(days, with_rate(TODAY, 0.08)).cause == "bug"


def test_a_handful_of_rows_does_not_tear_a_feature_from_its_key(
    past: Mapping[date, DayProfile],
) -> None:
    """Three keys of a hundred have a rate at all; on one day their few rows disagree by chance."""
    rows = rows_of(TODAY)
    for count, cause in ((40, "well"), (1200, "bug")):
        rare = np.where(np.arange(len(rows["count_30d"])) < count, 0.5, 0.0)
        days = {
            day: replace(
                earlier_profile,
                features={**earlier_profile.features, "count_30d": sketch(rare)},
                coherence={"count_30d": 0.95},
            )
            for day, earlier_profile in past.items()
        }
        today = profile(rows)
        today = replace(
            today,
            features={**today.features, "count_30d": sketch(rare)},
            coherence={"count_30d": 0.39},
        )
        assert told(days, today).cause == cause, count
