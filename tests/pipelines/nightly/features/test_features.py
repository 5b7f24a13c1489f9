"""The features stage on a small lake: one commit a run, re-runs without effect, corrections, gaps
and refusals.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from expectations.definition import Check
from features.definition import WindowMax
from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import GateError, TransientError
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.freshness import stale_days
from pipelines.run import Run
from tests.accounts import ingest_account
from tests.features.kinds import TEXTS
from tests.pipelines.online_lake import DAY, DAYS, EVENTS_A_DAY, add_event, store_events

pytestmark = pytest.mark.slow

FEEDS = ("transactions", "fraud_reports")
MakeRun = Callable[..., Run]


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    """A run over forty days of ingested events."""
    made = make_run()
    store_events(made)
    return made


def table(run: Run) -> pd.DataFrame:
    rows = run.lake.read("features").toPandas()
    return rows.sort_values("transaction_id").reset_index(drop=True)


def digest(rows: pd.DataFrame) -> str:
    return hashlib.sha256(
        pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()
    ).hexdigest()


def record_change(run: Run, landed: date, *changed: date) -> None:
    """The ledger's word of an ingest that changed these days."""
    account = ingest_account(
        state="arrived", changed_days=changed, versions=run.lake.versions(FEEDS)
    )
    run.ledger.record_stage(landed, account, "done", run_id="later", at=run.clock())


@pytest.mark.guarantee(
    "a re-run has one effect", fault="features of a day built five times", seen="one content"
)
def test_five_runs_of_a_day_leave_one_content(run: Run, thorough: bool) -> None:
    day = DayRange.single(DAY)
    digests, runs = set(), 5 if thorough else 3
    for _ in range(runs):
        result = build_features(run, day)
        rows = table(run)
        digests.add(digest(rows))
        assert len(rows) == result.accounts[DAY].rows == EVENTS_A_DAY
    assert len(digests) == 1
    account, commit = result.accounts[DAY], run.lake.history("features", limit=1)[0]
    assert account.inputs == commit.metadata["inputs"] == run.lake.versions(FEEDS)
    assert account.version == commit.version == result.versions["features"]
    assert (
        account.feature_digest
        == commit.metadata["feature_digest"]
        == run.use_case.stored_features.digest
    )
    assert account.gate.passed
    assert not account.recomputed
    assert (
        len(list(Path(run.lake.path("features")).glob(f"day={DAY}/*.parquet"))) == runs
    )  # one file a commit


def test_reports_are_counted_by_their_delay(run: Run) -> None:
    """As the lake holds them, whatever landed them: by the day on which each event was first
    reported.
    """
    accounts = build_features(run, DayRange(DAY - timedelta(days=2), DAY)).accounts
    events = run.lake.read("transactions").toPandas().set_index("transaction_id")["event_time"]
    first = run.lake.read("fraud_reports").toPandas().groupby("transaction_id")["reported_at"].min()
    for day, account in accounts.items():
        made = first[first.dt.date == day]
        delays = made - events.reindex(made.index)
        late = int((delays > timedelta(days=7)).sum())
        by_delay = account.reports
        if made.empty:
            assert by_delay is None
            continue
        assert (by_delay.reported, by_delay.late) == (len(made), late)
        assert by_delay.unmatched == 0
    assert any(account.reports and account.reports.late for account in accounts.values())


def test_a_night_needs_only_the_days_within_reach(run: Run) -> None:
    """The data files of older days may be gone: nobody opens them."""
    build_features(run, DayRange.single(DAY))
    before = table(run)
    for feed in FEEDS:
        for folder in Path(run.lake.path(feed)).glob("day=*"):
            if date.fromisoformat(folder.name.removeprefix("day=")) < DAY - timedelta(days=37):
                shutil.rmtree(folder)
    assert not (Path(run.lake.path("transactions")) / f"day={DAYS.first}").exists()
    build_features(run, DayRange.single(DAY))
    pd.testing.assert_frame_equal(table(run), before, check_exact=True)


@pytest.mark.guarantee(
    "missing upstream",
    fault="days built in another order than theirs",
    seen="the same table as in order",
)
def test_a_range_in_one_go_equals_day_by_day_in_any_order(
    make_run: MakeRun, run: Run, tmp_path: Path
) -> None:
    days = DayRange(DAY - timedelta(days=2), DAY + timedelta(days=1))
    build_features(run, days)
    in_one_go = table(run)
    apart = make_run(lake=str(tmp_path / "other"), ledger=f"sqlite:///{tmp_path / 'other.sqlite'}")
    store_events(apart)
    for day in reversed(list(days)):
        build_features(apart, DayRange.single(day))
    pd.testing.assert_frame_equal(table(apart), in_one_go, check_exact=True)


@pytest.mark.guarantee(
    "duplicates, late, out of order",
    fault="an event that lands days late, after its features were built",
    seen="stale days are named; only what reaches back to it changes",
)
def test_a_late_event_is_named_and_changes_only_what_reaches_back_to_it(run: Run) -> None:
    days = DayRange(DAY - timedelta(days=3), DAY)
    build_features(run, days)
    before = table(run)
    late = midnight(DAY - timedelta(days=2)) + timedelta(hours=5)
    add_event(run, 10_000, late, customer=1, terminal=1, amount=250.0)
    record_change(run, DAY + timedelta(days=1), late.date())
    changed = [late.date() + timedelta(days=n) for n in range(3)]
    assert list(stale_days(run)) == changed
    assert f"{late.date()} changed" in stale_days(run)[DAY]

    result = build_features(run, DayRange.single(DAY + timedelta(days=1)))

    assert [day for day, account in result.accounts.items() if account.recomputed] == changed
    assert stale_days(run) == {}
    after = table(run)
    old = after[after.transaction_id.isin(before.transaction_id)].reset_index(drop=True)
    differs = (old.drop(columns="day") != before.drop(columns="day")).any(axis=1)
    touched = before[differs]
    assert set(after.transaction_id) - set(before.transaction_id) >= {10_000}
    assert not touched.empty
    assert (
        touched.customer_id == 1
    ).all()  # the terminal's windows end a week ago: nothing of it has changed yet
    assert (touched.event_time >= late.replace(tzinfo=None)).all()


def test_stale_days_can_be_left_alone(run: Run) -> None:
    build_features(run, DayRange.single(DAY))
    record_change_without_effect = DAY - timedelta(days=37)
    add_event(
        run, 10_000, midnight(record_change_without_effect), customer=1, terminal=1, amount=1.0
    )
    record_change(run, DAY, record_change_without_effect)
    result = build_features(run, DayRange.single(DAY + timedelta(days=1)), include_stale=False)
    assert list(result.accounts) == [DAY + timedelta(days=1)]
    assert list(stale_days(run)) == [DAY]


def test_another_definition_makes_every_day_stale_and_adds_its_column(run: Run) -> None:
    build_features(run, DayRange.single(DAY))
    added = WindowMax(entity="customer", days=5, **TEXTS)
    baseline = run.use_case.feature_sets["baseline"]
    wider = {
        **run.use_case.feature_sets,
        "wider": replace(baseline, name="wider", features=(*baseline.features, added)),
    }
    later = replace(run, use_case=replace(run.use_case, feature_sets=wider))
    assert list(stale_days(later)) == [DAY]
    build_features(later, DayRange.single(DAY + timedelta(days=1)))
    assert table(later)[added.name].notna().all()
    assert stale_days(later) == {}


def test_a_gap_before_the_day_waits_unless_it_is_waived(make_run: MakeRun) -> None:
    run = make_run()
    store_events(run, DayRange(DAYS.first, DAY - timedelta(days=2)))
    store_events_of(run, DAY)
    with pytest.raises(TransientError) as caught:
        build_features(run, DayRange.single(DAY))
    message = str(caught.value)
    assert f"{DAY - timedelta(days=1)} ingested" in message
    assert f"tollgate run ingest --from {DAY - timedelta(days=1)}" in message
    assert not run.lake.exists("features")
    assert build_features(run, DayRange.single(DAY), allow_gap=True).accounts[DAY].rows == 1


def store_events_of(run: Run, day: date) -> None:
    """One event of the day, and the ledger's word that the day is ingested."""
    add_event(
        run, 10_000, datetime.combine(day, datetime.min.time(), midnight(day).tzinfo), 1, 1, 5.0
    )
    record_change(run, day, day)


def test_days_that_are_missing_or_refused_are_named(run: Run) -> None:
    missing = DAYS.last + timedelta(days=1)
    with pytest.raises(TransientError, match=f"(?s)not ingested yet.*{missing}"):
        build_features(run, DayRange(DAY, missing))
    refusal = {"state": "refused", "reason": "too many bad rows"}
    run.ledger.record_stage(DAY, ingest_account(**refusal), "refused", run_id="r-7", at=run.clock())
    with pytest.raises(GateError, match=r"(?s)refused in run r-7: too many bad rows"):
        build_features(run, DayRange.single(DAY))
    assert not run.lake.exists("features")


@pytest.mark.guarantee(
    "empty day", fault="features of a day without rows", seen="an account of nothing, no rows"
)
def test_an_empty_day_has_an_account_and_no_rows(run: Run) -> None:
    empty = DAYS.last + timedelta(days=1)
    run.ledger.record_stage(
        empty, ingest_account(state="empty"), "done", run_id="r", at=run.clock()
    )
    assert build_features(run, DayRange.single(empty)).accounts[empty].rows == 0
    assert table(run).empty


def test_a_refused_gate_leaves_the_table_as_it_was(run: Run) -> None:
    build_features(run, DayRange.single(DAY))
    before = run.lake.version("features")
    impossible = Check(
        type="ExpectColumnValuesToBeBetween",
        arguments={"column": "amount", "max_value": -1},
        meaning="amounts are never positive",
    )
    strict = replace(run.use_case, checks={**run.use_case.checks, "features": (impossible,)})
    with pytest.raises(GateError) as caught:
        build_features(replace(run, use_case=strict), DayRange.single(DAY))
    assert "amounts are never positive" in str(caught.value)
    assert run.lake.version("features") == before
    newest = run.ledger.latest("features")[DAY]
    assert newest.status == "refused"
    assert not newest.account.gate.passed
