"""A day that was run by mistake is taken back by a record: out of windows, statuses and lake, not
of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.accounts.audit import WithdrawalDetail
from pipelines.base.errors import NotArrivedError, UsageError
from pipelines.base.settings import Settings
from pipelines.maintenance.withdraw import withdraw
from pipelines.nightly.monitor.incidents import stage_failed
from pipelines.ops.facts import Facts
from pipelines.run import Run
from pipelines.status.status import newest_day, standing
from pipelines.usecases.registry import load
from tests.accounts import account_of, ingest_account, train_account
from tests.pipelines.watched_lake import FIRST, make_world, store

AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
SLIP = date(2026, 12, 25)


@pytest.fixture
def run(settings: Settings) -> Run:
    """Nine good days, the last one yesterday, and one key that was mistyped into the future."""
    run = Run(settings, load("fraud"), run_id="test", actor="ana", clock=lambda: AT)
    for number in range(1, 10):
        day = AT.date() - timedelta(days=number)
        run.ledger.record_stage(
            day, ingest_account(rows_in=7), "done", run_id="ingest/manual__1", at=AT
        )
    reason = {"reason": "transactions have not arrived"}
    run.ledger.record_stage(
        SLIP, ingest_account(**reason), "failed", run_id="ingest/scheduled__1", at=AT
    )
    return run


def test_a_day_in_the_future_pushes_no_window(run: Run) -> None:
    yesterday = date(2026, 11, 29)
    assert newest_day(run) == yesterday
    now = standing(run)
    assert [row.day for row in now.rows] == [
        yesterday - timedelta(days=n) for n in range(8, -1, -1)
    ]
    assert any("tollgate withdraw --day 2026-12-25" in what for _, what in now.attention)
    facts = Facts(run)
    assert facts.shown is not None
    assert facts.shown.last == yesterday
    run.ledger.record_stage(SLIP, ingest_account(rows_in=7), "done", run_id="r", at=AT)
    assert standing(run).newest == {"ingest": yesterday}
    assert {
        freshness.newest
        for freshness in standing(run).timeliness.fresh
        if freshness.stage == "ingest"
    } == {yesterday}


def test_a_withdrawn_day_is_out_of_sight_its_incident_closed_and_the_ledger_keeps_both(
    run: Run,
) -> None:
    run.ledger.record_stage(SLIP, train_account(), "done", run_id="r", at=AT)
    stage_failed(run, "ingest", SLIP, NotArrivedError("transactions have not arrived"))
    counted = withdraw(run, SLIP, reason="", dry_run=True)
    assert ("ingest", SLIP) in run.ledger.stage_statuses()
    done = withdraw(run, SLIP, reason="meant November")
    assert (
        (dict(done.stages), done.incidents)
        == (dict(counted.stages), counted.incidents)
        == ({"ingest": "failed"}, (1,))
    )
    assert [stage for stage, day in run.ledger.stage_statuses() if day == SLIP] == ["train"], (
        "a record of a moment stays"
    )
    assert SLIP not in run.ledger.latest("ingest")
    assert SLIP not in run.ledger.days_run_as("ingest", "/scheduled__")
    assert run.ledger.incidents(open_only=True) == []
    assert not any("2026-12-25" in what for _, what in standing(run).attention)
    kept = run.ledger.stage_records("ingest", first=SLIP, withdrawn_too=True)
    assert [record.status for record in kept] == ["failed", "withdrawn"]
    assert kept[1].document == {"by": "ana", "reason": "meant November"}
    assert run.ledger.audit_entries(WithdrawalDetail)[0].detail.day == SLIP
    with pytest.raises(UsageError, match="nothing is recorded"):
        withdraw(run, SLIP, reason="again")
    run.ledger.record_stage(SLIP, ingest_account(), "done", run_id="ingest/scheduled__2", at=AT)
    assert run.ledger.stage_statuses()["ingest", SLIP] == "done", "a later record counts"
    assert SLIP in run.ledger.days_run_as("ingest", "/scheduled__")


@pytest.mark.slow
def test_the_rows_of_the_newest_day_go_and_an_earlier_one_is_refused(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    store(run, make_world(3, rows=20))
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for day in days:
        for stage in ("ingest", "features"):
            run.ledger.record_stage(day, account_of(stage, {}), "done", run_id="r", at=run.clock())
    (run.folder / "alerts").mkdir(parents=True, exist_ok=True)
    listed = run.folder / "alerts" / f"{days[2]}.csv"
    listed.write_text("x")
    with pytest.raises(UsageError, match="later days were computed"):
        withdraw(run, days[0], reason="x")
    done = withdraw(run, days[2], reason="sent twice")
    assert {"features", "transactions"} <= set(done.tables)
    assert done.files == (f"alerts/{days[2]}.csv",)
    assert not listed.exists()
    for table in done.tables:
        assert {
            row["day"] for row in run.lake.read(table).select("day").toArrow().to_pylist()
        } <= set(days[:2])
    assert run.lake.read("features").count() == 40
    assert ("features", days[2]) not in run.ledger.stage_statuses()
