"""Each incident does what its sentence says, on its days and no others."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError
from pipelines.simulate.day import DayPlan, plan_days
from pipelines.simulate.dirt import KINDS
from pipelines.simulate.incidents import INCIDENTS, combined, parse_incident
from pipelines.simulate.reports import Reporting
from tests.pipelines.simulate.worlds import Home, day


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("usual"))
    home.simulate(0, 12)
    return home


def _with(folder: Path, *names: str, last: int = 12) -> Home:
    """Day 2 with these incidents, all others usual."""
    home = Home(folder)
    home.simulate(0, last, {2: DayPlan(names)})
    return home


@pytest.mark.parametrize("name", INCIDENTS)
def test_other_days_stay_as_they_are(tmp_path: Path, usual: Home, name: str) -> None:
    home = _with(tmp_path, name)
    for number in (0, 1, *range(5, 9)):
        pd.testing.assert_frame_equal(
            home.rows("transactions", number), usual.rows("transactions", number)
        )


def test_holiday_brings_more_and_larger_purchases_that_are_no_fraud(
    tmp_path: Path, usual: Home
) -> None:
    home = _with(tmp_path, "holiday")
    holiday, before = home.rows("transactions", 2), usual.rows("transactions", 2)
    assert 1.6 < len(holiday) / len(before) < 2.0
    assert 1.35 < holiday.amount.astype(float).mean() / before.amount.astype(float).mean() < 1.65
    honest = holiday[~holiday.transaction_id.isin(home.truth(2).transaction_id)]
    assert (honest.amount.astype(float) > 220).any()


def test_hidden_fraud_is_a_fifth_scenario_in_rows_that_stay_as_they_are(
    tmp_path: Path, usual: Home
) -> None:
    home = _with(tmp_path, "hidden-fraud")
    truth = home.truth(2)
    pd.testing.assert_frame_equal(home.rows("transactions", 2), usual.rows("transactions", 2))
    hidden = truth[truth.scenario == 5]
    assert 0.003 < len(hidden) / len(home.rows("transactions", 2)) < 0.03
    assert hidden.reported_at.notna().all()
    assert set(usual.truth(2).transaction_id) == set(truth[truth.scenario != 5].transaction_id)


def test_new_fraud_is_a_fourth_scenario_at_night(tmp_path: Path, usual: Home) -> None:
    truth = _with(tmp_path, "new-fraud").truth(2)
    new = truth[truth.scenario == 4]
    assert set(usual.truth(2).scenario) <= {1, 2, 3}
    assert new.customer_id.nunique() == 3
    assert new.groupby("customer_id").size().between(6, 12).all()
    assert new.event_time.dt.hour.between(1, 4).all()
    assert new.amount.astype(float).max() < 5
    assert new.reported_at.notna().all()


def test_bad_labels_say_the_opposite_for_some_of_the_night(tmp_path: Path) -> None:
    home = _with(tmp_path, "bad-labels")
    truth = home.truth(2)
    wrong = truth[(truth.scenario > 0) != truth.reported_at.notna()]
    assert len(wrong) > 0
    assert wrong.event_time.dt.hour.max() < 7
    night = home.rows("transactions", 2).event_time.dt.hour < 7
    assert 0.01 < len(wrong) / night.sum() < 0.12
    assert set(truth[truth.reported_at.notna()].transaction_id) <= set(
        home.rows("fraud_reports", 9).transaction_id
    )


@pytest.mark.parametrize(("name", "share"), [("dirty-feed", 0.003), ("broken-feed", 0.03)])
def test_a_dirty_feed_holds_the_clean_day_and_bad_rows(
    tmp_path: Path, usual: Home, name: str, share: float
) -> None:
    home = _with(tmp_path, name)
    path = home.landing.fetch("transactions", day(2), tmp_path)[0]
    assert path.name == "part-0.csv.gz"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    clean = usual.rows("transactions", 2)
    bad = len(rows) - len(clean)
    assert bad == max(1, round(share * len(clean)))
    texts = clean.assign(
        event_time=clean.event_time.dt.strftime("%Y-%m-%d %H:%M:%S.000000Z")
    ).astype(str)
    merged = rows.merge(texts, how="left", indicator=True)
    assert (merged["_merge"] == "both").sum() == len(clean)
    good = merged[merged["_merge"] == "both"][list(clean.columns)].reset_index(drop=True)
    pd.testing.assert_frame_equal(good, texts, check_dtype=False)


def test_every_kind_of_bad_row_comes_before_one_comes_twice(tmp_path: Path) -> None:
    home = _with(tmp_path, "broken-feed")
    rows = pd.read_csv(
        home.landing.fetch("transactions", day(2), tmp_path)[0], dtype=str, keep_default_na=False
    )
    for kind in KINDS:
        name, value = next(iter(kind.values.items()))
        wanted = (value or "").format(day=date(2027, 12, 8))
        assert (rows[name] == wanted).any(), kind.name


def test_late_rows_come_one_or_two_days_later_and_none_is_lost(tmp_path: Path, usual: Home) -> None:
    home = _with(tmp_path, "late")
    sent = pd.concat([home.rows("transactions", number) for number in (2, 3, 4)])
    of_day = sent[sent.event_time.dt.date == day(2)]
    assert sorted(of_day.transaction_id) == usual.rows("transactions", 2).transaction_id.tolist()
    late = len(of_day) - len(home.rows("transactions", 2))
    assert 0.2 < late / len(of_day) < 0.4
    for number in (3, 4):
        assert (home.rows("transactions", number).event_time.dt.date == day(2)).any()


def test_late_rows_wait_for_the_day_that_is_not_yet_simulated(tmp_path: Path, usual: Home) -> None:
    home = _with(tmp_path, "late", last=2)
    assert len(home.rows("transactions", 2)) < len(usual.rows("transactions", 2))
    home.simulate(3, 4)
    sent = pd.concat([home.rows("transactions", number) for number in (2, 3, 4)])
    assert (sent.event_time.dt.date == day(2)).sum() == len(usual.rows("transactions", 2))


def test_duplicate_sends_some_rows_twice(tmp_path: Path, usual: Home) -> None:
    rows = _with(tmp_path, "duplicate").rows("transactions", 2)
    clean = usual.rows("transactions", 2)
    assert 0.1 < len(rows) / len(clean) - 1 < 0.3
    pd.testing.assert_frame_equal(rows.drop_duplicates(), clean)


def test_missing_sends_nothing_until_the_day_is_simulated_without_it(
    tmp_path: Path, usual: Home
) -> None:
    home = _with(tmp_path, "missing")
    assert home.landing.arrival("transactions", day(2)).state == "no folder"
    assert home.landing.arrival("fraud_reports", day(2)).arrived
    home.simulate(2, 2)
    pd.testing.assert_frame_equal(home.rows("transactions", 2), usual.rows("transactions", 2))


def test_missing_takes_back_a_day_that_was_there(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.simulate(0, 3)
    home.simulate(2, 2, {2: DayPlan(("missing",))})
    assert not home.landing.arrival("transactions", day(2)).arrived


def test_incidents_of_one_day_add_up() -> None:
    effects = combined(["holiday", "holiday", "dirty-feed", "broken-feed", "missing"])
    assert effects.volume == pytest.approx(1.8 * 1.8)
    assert effects.bad_rows == 0.03
    assert not effects.delivered
    assert combined([]).delivered


def test_plans_hold_each_incident_once_on_its_days() -> None:
    days = DayRange(day(0), day(3))
    texts = ["late:2026-11-02:2026-11-03", "holiday:2026-11-03", "late:2026-11-03:2026-11-03"]
    plans = plan_days(days, [parse_incident(text, days) for text in texts], Reporting(), "parquet")
    assert [plans[day(n)].incidents for n in range(4)] == [(), ("late",), ("late", "holiday"), ()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "flood:2026-11-01:2026-11-02",
            (
                "holiday, new-fraud, hidden-fraud, bad-labels, dirty-feed, broken-feed, late,"
                " duplicate"
            ),
        ),
        ("late", "without its days"),
        ("late:2026-11-01:2026-11-02:2026-11-03", "without its days"),
        ("late:2026-11-02:2026-11-01", "reversed"),
        ("late:yesterday:2026-11-01", "not a calendar day"),
        ("late:2026-11-03:2026-11-05", "days from 2026-11-01 to 2026-11-04"),
        ("late:2026-10-31", "days from 2026-11-01 to 2026-11-04"),
    ],
)
def test_a_wrong_incident_is_explained(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_incident(text, DayRange(day(0), day(3)))
