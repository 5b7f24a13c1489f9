"""What is late, and how fresh tables are: counted by hand, for any night and clock; told, paged,
closed by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.base.settings import Settings
from pipelines.cli.main import build_app
from pipelines.ledger.ledger import Incident
from pipelines.nightly.monitor.incidents import follow_deadlines, stage_failed
from pipelines.ops.facts import Facts
from pipelines.ops.links import Served
from pipelines.ops.openmetrics import openmetrics
from pipelines.ops.pages import LISTS, whole_page
from pipelines.run import Run, utc_now
from pipelines.status.deadlines import LOOKED_BACK, judge, timeliness, words
from pipelines.status.status import standing
from pipelines.stores.checks import LOST
from pipelines.usecases.registry import load
from tests.accounts import account_of, ingest_account

FRAUD = load("fraud")
STAGES = tuple(FRAUD.schedule.deadlines)
FIRST = date(2026, 11, 10)
NIGHT = datetime(2026, 11, 11, 2, tzinfo=UTC)
"""When the schedule starts the night of `FIRST`."""


@pytest.fixture
def at(settings: Settings) -> Callable[[datetime], Run]:
    return lambda moment: Run(settings, FRAUD, run_id="r", actor="test", clock=lambda: moment)


def night(run: Run, day: date, *stages: str) -> None:
    """The stages of a scheduled night as the ledger keeps them; behind ingest by command, so that
    none follows.
    """
    for stage in stages:
        run_id = "ingest/scheduled__x" if stage == "ingest" else "by hand"
        run.ledger.record_stage(day, account_of(stage, {}), "done", run_id=run_id, at=NIGHT)


def of_nights(run: Run) -> list[Incident]:
    """All incidents but that of Airflow's database, which in these homes does not know the runs of
    the ledger.
    """
    return [incident for incident in run.ledger.incidents() if incident.kind != LOST]


@given(
    moment=st.integers(-3000, 70_000).map(lambda minutes: NIGHT + timedelta(minutes=minutes)),
    done=st.sets(
        st.tuples(
            st.sampled_from(STAGES), st.integers(0, 50).map(lambda n: FIRST + timedelta(days=n))
        )
    ),
)
def test_late_is_what_is_not_done_after_its_time(
    moment: datetime, done: set[tuple[str, date]]
) -> None:
    timeliness = judge(FRAUD, dict.fromkeys(done, "done"), since=FIRST, at=moment)
    expected = {}
    for back in range(1, LOOKED_BACK + 1):
        day = moment.date() - timedelta(days=back)
        for stage, clock in FRAUD.schedule.deadlines.items():
            hour, minute = map(int, clock.split(":"))
            due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) + timedelta(
                days=1
            )
            if day >= FIRST and due < moment and (stage, day) not in done:
                expected[stage, day] = moment - due
    assert {(lateness.stage, lateness.day): lateness.by for lateness in timeliness.late} == expected
    assert [lateness.day for lateness in timeliness.late] == sorted(
        lateness.day for lateness in timeliness.late
    )
    behind = [freshness.stage for freshness in timeliness.fresh if freshness.behind]
    assert set(behind) <= {lateness.stage for lateness in timeliness.late}


def test_a_home_without_a_schedule_is_never_late(at: Callable[[datetime], Run]) -> None:
    run = at(NIGHT + timedelta(days=400))
    run.ledger.record_stage(FIRST, ingest_account(), "done", run_id="manual-1", at=NIGHT)
    times = timeliness(run)
    assert (times.since, times.late, follow_deadlines(run)) == (None, (), ())
    assert {
        freshness.table: freshness.newest for freshness in times.fresh if freshness.newest
    } == dict.fromkeys(("transactions", "fraud_reports"), FIRST)
    assert "late_seconds" not in openmetrics(Facts(run))


@pytest.mark.guarantee(
    "missing upstream",
    fault="a night that does not come",
    seen="one incident that escalates, closed by itself",
)
def test_a_late_night_is_one_incident_that_escalates_and_closes_by_itself(
    at: Callable[[datetime], Run],
) -> None:
    night(at(NIGHT), FIRST, "ingest", "features", "materialize")
    assert follow_deadlines(at(NIGHT + timedelta(hours=3, minutes=30))) == (), (
        "at the minute it is not late yet"
    )
    monitored_late = at(NIGHT + timedelta(days=1, hours=1, minutes=45))
    follow_deadlines(monitored_late)
    follow_deadlines(at(NIGHT + timedelta(days=1, hours=2)))
    (incident,) = of_nights(monitored_late)
    assert (incident.kind, incident.severity, [str(day) for day in incident.detail.days]) == (
        "late",
        "critical",
        ["2026-11-10", "2026-11-11"],
    )
    assert (
        incident.summary
        == "score of 2026-11-10 was due 2026-11-11 05:30 UTC, 22 h 30 min ago (not run)"
    )
    night(monitored_late, FIRST, "score", "monitor")
    night(monitored_late, FIRST + timedelta(days=1), *STAGES)
    follow_deadlines(monitored_late)
    assert [
        incident for incident in of_nights(monitored_late) if incident.resolved_at is None
    ] == []


def test_nights_off_are_one_incident_that_shrinks_with_the_catching_up(
    at: Callable[[datetime], Run],
) -> None:
    """A laptop that slept for six nights: one cause, the days that are still missing, closed after
    the last of them.
    """
    night(at(NIGHT), FIRST, *STAGES)
    back = at(NIGHT + timedelta(days=6, hours=6))
    follow_deadlines(back)
    (incident,) = of_nights(back)
    assert list(incident.detail.days) == [FIRST + timedelta(days=number) for number in range(1, 7)]
    assert incident.detail.next_step.endswith("tollgate backfill --from 2026-11-11 --to 2026-11-16")
    for number in (5, 1, 2, 3):
        night(back, FIRST + timedelta(days=number), *STAGES)
    follow_deadlines(back)
    (incident,) = of_nights(back)
    assert [str(day) for day in incident.detail.days] == [
        "2026-11-14",
        "2026-11-16",
    ], "those that are done are late no more"
    for number in (4, 6):
        night(back, FIRST + timedelta(days=number), *STAGES)
    follow_deadlines(back)
    assert [incident.resolution for incident in of_nights(back)] == ["nothing is late any more"]


def test_after_more_nights_off_than_are_watched_the_backfill_begins_with_the_first(
    at: Callable[[datetime], Run],
) -> None:
    night(at(NIGHT), FIRST, *STAGES)
    back = at(NIGHT + timedelta(days=LOOKED_BACK + 12, hours=6))
    follow_deadlines(back)
    (incident,) = of_nights(back)
    assert "tollgate backfill --from 2026-11-11 --to 2026-12-20" in incident.detail.next_step


def test_a_clock_that_was_ahead_leaves_no_late_days(at: Callable[[datetime], Run]) -> None:
    night(at(NIGHT), FIRST, *STAGES)
    night(at(NIGHT), FIRST + timedelta(days=1), "ingest")
    true_time = NIGHT + timedelta(days=1, hours=6)
    follow_deadlines(at(true_time + timedelta(days=3)))
    follow_deadlines(at(true_time))
    (incident,) = of_nights(at(true_time))
    assert [str(day) for day in incident.detail.days] == ["2026-11-11"]
    night(at(true_time), FIRST + timedelta(days=1), *STAGES)
    follow_deadlines(at(true_time))
    assert [incident for incident in of_nights(at(true_time)) if incident.resolved_at is None] == []


def test_a_stage_that_nobody_waits_for_is_a_ticket(at: Callable[[datetime], Run]) -> None:
    run = at(NIGHT + timedelta(hours=5))
    night(run, FIRST, "ingest", "features", "materialize", "score")
    follow_deadlines(run)
    assert [incident.severity for incident in of_nights(run)] == ["warning"]


def test_a_failure_that_is_told_already_is_not_told_as_lateness_too(
    at: Callable[[datetime], Run],
) -> None:
    run = at(NIGHT + timedelta(hours=6))
    night(run, FIRST, "ingest")
    follow_deadlines(run)
    stage_failed(run, "features", FIRST, ValueError("broken"))
    assert follow_deadlines(run), "late all the same"
    assert [incident.kind for incident in of_nights(run) if incident.resolved_at is None] == [
        "task"
    ]


def test_status_now_and_metrics_say_it(
    at: Callable[[datetime], Run], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = at(NIGHT + timedelta(hours=6))
    night(run, FIRST, "ingest", "features", "materialize")
    sentence = (
        "score of 2026-11-10 was due 2026-11-11 05:30 UTC, 2 h 30 min ago (not run); late too:"
        " monitor"
    )
    assert (FIRST, sentence) in standing(run).attention
    assert sentence in whole_page(LISTS[0], Facts(run), Served("/ops"))
    metrics = openmetrics(Facts(run))
    assert 'tollgate_late_seconds{use_case="fraud",stage="score"} 9000' in metrics
    assert 'tollgate_late_seconds{use_case="fraud",stage="ingest"} 0' in metrics
    night(run, FIRST - timedelta(days=1), "score")
    behind = 'tollgate_table_days_behind{use_case="fraud",table="predictions"} 1'
    assert behind in openmetrics(Facts(run))
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    monkeypatch.delenv("TOLLGATE_LEDGER", raising=False)
    lately = utc_now().date() - timedelta(days=2)
    night(run, lately, "ingest")
    printed = CliRunner().invoke(build_app(), ["status"]).output
    assert f"fresh     transactions {lately}" in printed
    assert "metrics" not in printed.partition("fresh")[2].partition("\n")[0], (
        "nothing is known of it"
    )
    assert f"features of {lately} was due {lately + timedelta(days=1)} 04:30 UTC" in printed


def test_a_use_case_may_leave_a_stage_without_deadline() -> None:
    schedule = replace(FRAUD.schedule, deadlines={"score": "05:30"})
    timeliness = judge(
        replace(FRAUD, schedule=schedule), {}, since=FIRST, at=NIGHT + timedelta(hours=4)
    )
    assert [lateness.stage for lateness in timeliness.late] == ["score"]
    assert [freshness.table for freshness in timeliness.fresh] == ["predictions"]


@pytest.mark.parametrize(
    ("span", "wording"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(hours=2, minutes=10), "2 h 10 min"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
    ],
)
def test_spans_in_words(span: timedelta, wording: str) -> None:
    assert words(span) == wording
