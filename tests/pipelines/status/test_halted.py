"""A day that stopped half-way is told within the hour, with the stage that is missing and why; one
that runs is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.airflow.api import AirflowApi
from pipelines.airflow.chain_state import airflow_look, paused_dags
from pipelines.airflow.names import CHAIN, Orchestration
from pipelines.base.settings import Settings
from pipelines.doctor import services as diagnosis_services
from pipelines.ledger.ledger import Incident
from pipelines.nightly.monitor.incidents import follow_deadlines
from pipelines.run import Run
from pipelines.status.deadlines import timeliness
from pipelines.status.status import standing
from pipelines.usecases.registry import load
from tests.accounts import account_of
from tests.small_airflow import DagRun, SmallAirflow, small_airflow

DAY = date(2026, 11, 19)
DONE = datetime(2026, 11, 20, 9, tzinfo=UTC)
"""Somebody triggered `ingest` for yesterday by hand; it was green then."""


@pytest.fixture
def airflow(settings: Settings) -> Iterator[tuple[SmallAirflow, Settings]]:
    with small_airflow(settings, Orchestration("fraud").chain) as served:
        yield served


@pytest.fixture
def at(airflow: tuple[SmallAirflow, Settings]) -> Callable[[float], Run]:
    """A run so many minutes after `DONE`."""
    return lambda minutes: Run(
        airflow[1],
        load("fraud"),
        run_id="r",
        actor="test",
        clock=lambda: DONE + timedelta(minutes=minutes),
    )


def ran(
    run: Run, *stages: str, day: date = DAY, by: str = "{}/manual__1", at: datetime = DONE
) -> None:
    for stage in stages:
        run.ledger.record_stage(day, account_of(stage, {}), "done", run_id=by.format(stage), at=at)


def lateness(run: Run) -> list[Incident]:
    """The incidents of what is late; a ledger without its stores has others."""
    return [incident for incident in run.ledger.incidents() if incident.kind == "late"]


def late(run: Run, *, with_airflow: bool) -> list[tuple[str, date]]:
    look = airflow_look(run.settings, "fraud") if with_airflow else None
    return [(lateness.stage, lateness.day) for lateness in timeliness(run, look=look).late]


def test_a_paused_dag_is_named_within_the_hour_as_a_ticket_that_closes_by_itself(
    airflow: tuple[SmallAirflow, Settings], at: Callable[[float], Run]
) -> None:
    airflow[0].paused = {"features"}
    ran(at(0), "ingest")
    assert late(at(19), with_airflow=True) == []
    run = at(30)
    follow_deadlines(run)
    (incident,) = lateness(run)
    assert (
        incident.kind,
        incident.severity,
        [str(day) for day in incident.detail.days],
        list(incident.detail.sources),
    ) == (
        "late",
        "warning",
        [str(DAY)],
        ["features"],
    )
    assert (
        "ingest is done since 09:00 UTC, no run of it in Airflow: the DAG features is paused"
        in incident.summary
    )
    assert f"tollgate backfill --from {DAY} --to {DAY}" in incident.detail.next_step
    sentences = [
        what
        for day, what in standing(run, look=airflow_look(run.settings, "fraud")).attention
        if day == DAY
    ]
    assert any("the DAG features is paused" in what for what in sentences)
    ran(run, "features", "score", "monitor")
    follow_deadlines(run)
    assert [incident.resolved_at is None for incident in lateness(run)] == [False]


def test_a_stage_that_runs_or_that_a_person_started_is_left_alone(
    airflow: tuple[SmallAirflow, Settings], at: Callable[[float], Run]
) -> None:
    airflow[0].runs = [DagRun("features", "features-1", str(DAY), "running", DONE)]
    ran(at(0), "ingest")
    ran(at(0), "ingest", day=DAY - timedelta(days=1), by="manual-{}")
    ran(at(0), *CHAIN, day=DAY - timedelta(days=2))
    assert late(at(300), with_airflow=True) == []
    airflow[0].runs[0].state = "failed"
    assert late(at(300), with_airflow=True) == [("features", DAY)]


def test_without_airflow_the_ledger_alone_says_it_later_and_within_the_hour(
    airflow: tuple[SmallAirflow, Settings], at: Callable[[float], Run]
) -> None:
    airflow[0].close()
    ran(at(0), "ingest", "features")
    assert late(at(45), with_airflow=True) == late(at(45), with_airflow=False) == []
    assert late(at(55), with_airflow=True) == late(at(55), with_airflow=False) == [("score", DAY)]
    follow_deadlines(at(55))
    assert [incident.severity for incident in lateness(at(55))] == ["warning"], (
        "its deadline is no page's before its time"
    )


def test_doctor_and_status_name_a_paused_dag_before_a_day_stops_at_it(
    airflow: tuple[SmallAirflow, Settings], at: Callable[[float], Run]
) -> None:
    server, settings = airflow
    settings = settings.model_copy(update={"airflow_url": AirflowApi(settings).url})
    assert [each.name for each in diagnosis_services.airflow(settings)] == ["airflow"]
    server.paused = {"score", "somebody's own"}
    paused = [each for each in diagnosis_services.airflow(settings) if each.name == "airflow dags"]
    assert [each.ok for each in paused] == [False]
    assert "score" in paused[0].found
    assert "somebody's own" not in paused[0].found
    ran(at(0), *CHAIN, day=DAY - timedelta(days=1))
    run = at(1)
    attention = [what for _, what in standing(run, paused=paused_dags(settings, "fraud")).attention]
    assert any("paused in Airflow" in what and "/dags/score" in what for what in attention)
