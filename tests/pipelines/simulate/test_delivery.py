"""What the simulator sends: the same files whatever the calls were, reports on their day, schema
and truth.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError, StoreError, UsageError
from pipelines.simulate.day import DayPlan
from pipelines.simulate.delivery import simulate
from pipelines.simulate.reports import Reporting
from pipelines.simulate.world import WorldSize
from tests.pipelines.simulate.worlds import SIZE, Home, day

SPREAD = DayPlan(reporting=Reporting(spread=2.0, unreported=0.2))
PLANS = {
    1: DayPlan(("late", "holiday")),
    4: DayPlan(("dirty-feed",)),
    5: SPREAD,
    6: DayPlan(("missing",)),
}


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Home(tmp_path / name).simulate(0, 11, PLANS)
    assert Home(tmp_path / "a").files() == Home(tmp_path / "b").files()


@pytest.mark.parametrize(
    "calls", [[(0, 5), (6, 15)], [(8, 15), (0, 7)], [(0, 15), (3, 6)], [(0, 2), (4, 15), (3, 3)]]
)
def test_several_calls_give_the_bytes_of_one(tmp_path: Path, calls: list[tuple[int, int]]) -> None:
    Home(tmp_path / "one").simulate(0, 15, PLANS)
    several = Home(tmp_path / "several")
    for first, last in calls:
        several.simulate(first, last, {n: plan for n, plan in PLANS.items() if first <= n <= last})
    assert several.files() == Home(tmp_path / "one").files()


def test_a_day_does_not_depend_on_those_after_it(tmp_path: Path) -> None:
    Home(tmp_path / "short").simulate(0, 3)
    Home(tmp_path / "long").simulate(0, 9)
    short, long = Home(tmp_path / "short").files(), Home(tmp_path / "long").files()
    assert {path: long[path] for path in short if "world.json" not in path} == {
        path: content for path, content in short.items() if "world.json" not in path
    }


def test_a_day_simulated_anew_changes_what_comes_due_later(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.simulate(0, 12)
    before = home.rows("fraud_reports", 9)
    again = home.simulate(2, 2, {2: DayPlan(reporting=Reporting(unreported=1.0))})
    assert [(sent.day, sent.requested) for sent in again] == [
        (day(n), n == 2) for n in range(2, 13)
    ]
    assert set(before.transaction_id) & set(home.truth(2).transaction_id)
    assert not set(home.rows("fraud_reports", 9).transaction_id) & set(home.truth(2).transaction_id)


def test_files_have_the_types_of_the_feed_and_ids_grow_with_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.simulate(0, 1)
    path = home.landing.fetch("transactions", day(0), tmp_path)[0]
    assert {field.name: str(field.type) for field in pq.read_schema(path)} == {
        "transaction_id": "int64",
        "event_time": "timestamp[us, tz=UTC]",
        "customer_id": "int64",
        "terminal_id": "int64",
        "amount": "decimal128(12, 2)",
    }
    both = pd.concat([home.rows("transactions", 0), home.rows("transactions", 1)])
    assert both.transaction_id.is_unique
    assert both.transaction_id.is_monotonic_increasing
    assert both.event_time.is_monotonic_increasing
    assert set(home.rows("transactions", 0).event_time.dt.date) == {day(0)}


def test_each_fraud_is_reported_seven_days_later_to_the_second(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.simulate(0, 8)
    truth = home.truth(1)
    assert (truth.scenario > 0).all()
    assert (truth.reported_at - truth.event_time == pd.Timedelta(days=7)).all()
    reports = home.rows("fraud_reports", 8)
    assert (
        reports.transaction_id.tolist() == truth.sort_values("event_time").transaction_id.tolist()
    )
    assert set(reports.reported_at.dt.date) == {day(8)}
    assert home.rows("fraud_reports", 6).empty


def test_reports_can_be_spread_and_left_out(tmp_path: Path) -> None:
    home = Home(tmp_path)
    size = WorldSize(customers=3_000, terminals=3_000, seed=1)
    home.simulate(0, 20, dict.fromkeys(range(21), SPREAD), size)
    truth = pd.concat([home.truth(number) for number in range(21)])
    delay = (truth.reported_at - truth.event_time).dropna().dt.total_seconds() / 86_400
    assert 0.15 < truth.reported_at.isna().mean() < 0.25
    assert 6.8 < delay.mean() < 7.2
    assert 1.8 < delay.std() < 2.2
    landed = pd.concat([home.rows("fraud_reports", number) for number in range(21)])
    due = truth[truth.reported_at < pd.Timestamp(day(21), tz="UTC")]
    assert sorted(landed.transaction_id) == sorted(due.transaction_id)


def test_the_record_says_how_each_day_was_simulated(tmp_path: Path) -> None:
    Home(tmp_path).simulate(0, 1, {1: DayPlan(("holiday",), Reporting(1.5, 0.1), "csv.gz")})
    assert json.loads((tmp_path / "truth" / "world.json").read_text()) == {
        "world": {"customers": 300, "terminals": 500, "seed": 5},
        "days": {
            "2026-11-01": {
                "incidents": [],
                "file_format": "parquet",
                "spread": 0.0,
                "unreported": 0.0,
            },
            "2026-11-02": {
                "incidents": ["holiday"],
                "file_format": "csv.gz",
                "spread": 1.5,
                "unreported": 0.1,
            },
        },
    }


def test_another_world_is_not_mixed_into_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.simulate(0, 0)
    before = home.files()
    with pytest.raises(ConfigurationError, match=r"--seed 6\n.*--seed 5"):
        home.simulate(1, 1, size=WorldSize(customers=300, terminals=500, seed=6))
    assert home.files() == before


@pytest.mark.parametrize(
    "content", ["", "[]", '{"world": {}}', '{"world": {"seed": 5}, "days": {"x": {}}}']
)
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "world.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"world\.json"):
        Home(tmp_path).simulate(0, 0)


@pytest.mark.guarantee(
    "the k-th operation fails",
    fault="the disk refuses the fourth of six simulated days",
    seen="three whole days; the same call does the rest",
)
def test_a_disk_that_fails_leaves_whole_days_and_the_same_call_does_the_rest(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "interrupted")
    blocked = home.folder / "landing" / "transactions" / str(day(3))
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where the folder should be")
    with pytest.raises(StoreError) as caught:
        home.simulate(0, 5)
    assert str(blocked) in caught.value.where
    assert (
        home.landing.days("transactions")
        == home.landing.days("fraud_reports")
        == [day(0), day(1), day(2)]
    )
    blocked.unlink()
    home.simulate(0, 5)
    Home(tmp_path / "whole").simulate(0, 5)
    assert home.files() == Home(tmp_path / "whole").files()


def test_days_before_the_ids_begin_are_refused(tmp_path: Path) -> None:
    early = DayRange.of_length(date(2000, 1, 1) - timedelta(days=1), 2)
    with pytest.raises(UsageError, match="2000-01-01"):
        list(simulate(Home(tmp_path).landing, tmp_path / "truth", SIZE, early, {}))


@pytest.mark.parametrize(
    "changes", [{"customers": 0}, {"terminals": -1}, {"seed": -1}, {"customers": 2_000_000}]
)
def test_a_size_out_of_range_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(changes))} is out of range"):
        WorldSize(**changes)


def test_a_world_too_large_for_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="too large"):
        WorldSize(customers=1_000_000, terminals=1_000_000)


@pytest.mark.parametrize("values", [(-1.0, 0.0), (99.0, 0.0), (0.0, 1.5), (0.0, float("nan"))])
def test_reporting_out_of_range_is_refused(values: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        Reporting(*values)
