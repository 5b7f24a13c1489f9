"""Following days through Airflow: runs that were there already, and an Airflow that does not answer
for a while.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.airflow import api as airflow_api
from pipelines.airflow import backfill
from pipelines.airflow.api import AirflowApi
from pipelines.airflow.backfill import DayOutcome, DayPlan
from pipelines.airflow.names import Orchestration
from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError, StoreError, TransientError
from pipelines.base.patience import NotFollowedError, Patience
from pipelines.base.settings import Settings
from pipelines.cli.main import main
from tests.small_airflow import BEGUN, DagRun, SmallAirflow, Task, at, small_airflow

NAMES = Orchestration("fraud")
DAY = date(2026, 11, 19)


@dataclass
class Clock:
    """A clock that goes on by `step` where somebody waits, and then does what is due."""

    now: datetime = BEGUN + timedelta(hours=1)
    step: timedelta = timedelta(seconds=10)
    pauses: int = 0
    due: dict[int, Callable[[], object]] = field(default_factory=dict)

    def __call__(self) -> datetime:
        return self.now

    def pause(self, _: float) -> None:
        self.now += self.step
        self.pauses += 1
        assert self.pauses < 500, "it waits for ever"
        self.due.pop(self.pauses, lambda: None)()


@dataclass
class Followed:
    airflow: SmallAirflow
    api: AirflowApi
    clock: Clock
    settings: Settings

    @property
    def waiting(self) -> Patience:
        return backfill.patience(DayRange.single(DAY), clock=self.clock, pause=self.clock.pause)

    def plan(self, *, rerun: bool = False, missing: tuple[str, ...] | None = None) -> list[DayPlan]:
        today = DAY + timedelta(days=1)
        days = DayRange.single(DAY)
        missing_days = None if missing is None else {DAY: missing}
        return backfill.plan(
            self.api,
            NAMES,
            days,
            rerun=rerun,
            today=today,
            waiting=self.waiting,
            missing=missing_days,
        )

    def follow(self, plans: list[DayPlan]) -> list[DayOutcome]:
        return list(
            backfill.follow(
                self.api,
                NAMES,
                plans,
                logs=Path("logs"),
                waiting_for=self.waiting,
                report=lambda *_: None,
            )
        )


@pytest.fixture
def followed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Followed]:
    monkeypatch.setattr(airflow_api, "TIMEOUT", 0.3)
    with small_airflow(settings, NAMES.chain) as (airflow, changed):
        yield Followed(airflow, AirflowApi(changed), Clock(), changed)


def run(
    dag_id: str, state: str, made: float, *tasks: Task, later: tuple[str, ...] = (), name: str = "1"
) -> DagRun:
    return DagRun(dag_id, f"{dag_id}-{name}", str(DAY), state, at(made), list(tasks), list(later))


def filling_store(*later: str, built: float | None = 2) -> list[DagRun]:
    """Ingest is done, and `features` still fills the online store; it ends in these looks.

    `built`: the minute at which its features were in the lake; None where they are not.
    """
    build = Task("build", None if built is None else at(built))
    return [
        run("ingest", "success", 0, Task("ingest", at(1))),
        run("features", "running", 1.1, build, Task("materialize"), later=later),
    ]


def going_on(*later: str) -> list[DagRun]:
    """The whole chain, whose last run ends in these looks."""
    done = [
        run(dag_id, "success", place, Task("one", at(place + 0.5)))
        for place, dag_id in enumerate(NAMES.chain[:-1])
    ]
    return [*done, run("monitor", "running", 4, Task("monitor"), later=later)]


def test_a_day_whose_features_still_go_on_is_done_with_the_score_that_is_there(
    followed: Followed,
) -> None:
    """`score` starts when the features are in the lake, while `features` still fills the online
    store.
    """
    followed.airflow.runs = [
        *filling_store("running", "success"),
        run("score", "success", 2.1, Task("score", at(3))),
        run("monitor", "running", 3.1, Task("monitor"), later=("running", "success")),
    ]
    (plan,) = followed.plan()
    assert (plan.action, NAMES.chain[plan.position]) == ("busy", "features")
    (outcome,) = followed.follow([plan])
    assert outcome.state == "done"
    assert outcome.states == {"features": "success", "score": "success", "monitor": "success"}


def test_a_score_that_failed_meanwhile_is_told(followed: Followed) -> None:
    followed.airflow.runs = [
        *filling_store("success"),
        run("score", "failed", 2.1, Task("score")),
    ]
    (outcome,) = followed.follow(followed.plan())
    assert (outcome.state, outcome.states["score"]) == ("failed", "failed")


def test_a_score_of_the_attempt_before_is_not_taken_for_this_one(followed: Followed) -> None:
    """The features were cleared as a whole: the score that is there was made before they succeed
    again.
    """
    followed.airflow.runs = [
        *filling_store("running", "success", built=None),
        run("score", "success", 2.1, Task("score", at(3))),
        run("monitor", "success", 3.1, Task("monitor", at(4))),
    ]
    plans = followed.plan()
    newer = run("score", "failed", 90, Task("score"), name="2")
    followed.clock.due[4] = lambda: followed.airflow.runs.append(newer)
    (outcome,) = followed.follow(plans)
    assert (outcome.state, outcome.states["score"]) == ("failed", "failed")


def test_a_store_that_is_filled_again_alone_makes_no_new_score(followed: Followed) -> None:
    """Only `materialize` was cleared, hours later: the score behind the features stays the
    day's.
    """
    followed.airflow.runs = [
        *filling_store("success"),
        run("score", "success", 2.1, Task("score", at(3))),
        run("monitor", "success", 3.1, Task("monitor", at(4))),
    ]
    (outcome,) = followed.follow(followed.plan())
    assert outcome.state == "done"


@pytest.mark.parametrize("kind", ["500", "502", "503", "429", "reset", "silent", "cut", "html"])
def test_a_request_that_is_not_answered_does_not_end_the_follower(
    followed: Followed, kind: str
) -> None:
    followed.airflow.runs = going_on("running", "running", "success")
    plans = followed.plan()
    followed.airflow.failures = [kind, kind, "", kind]
    (outcome,) = followed.follow(plans)
    assert outcome.state == "done"
    assert followed.airflow.failures == []


def test_an_airflow_that_restarts_is_waited_for(followed: Followed) -> None:
    followed.airflow.runs = going_on("running", "success")
    plans = followed.plan()
    followed.airflow.close()
    followed.clock.due[15] = followed.airflow.open
    (outcome,) = followed.follow(plans)
    assert outcome.state == "done"
    assert followed.clock.pauses >= 15


def test_after_three_minutes_it_is_said_that_airflow_goes_on(followed: Followed) -> None:
    followed.airflow.runs = going_on("running")
    plans = followed.plan()
    followed.airflow.close()
    began = followed.clock.now
    with pytest.raises(NotFollowedError) as lost:
        followed.follow(plans)
    assert followed.clock.now - began == timedelta(minutes=3)
    assert "what it runs goes on" in lost.value.what
    assert (
        f"`tollgate backfill --from {DAY} --to {DAY}` follows the days again"
        in lost.value.next_step
    )
    assert lost.value.exit_code not in (0, 1, 2)


def test_outages_do_not_add_up(followed: Followed) -> None:
    """Two minutes of silence, an answer, two more minutes."""
    followed.airflow.runs = going_on(*["running"] * 3, "success")
    plans = followed.plan()
    followed.airflow.failures = [*["500"] * 12, "", *["500"] * 12]
    (outcome,) = followed.follow(plans)
    assert outcome.state == "done"


def test_an_outage_does_not_use_up_the_time_that_a_run_has_to_start(followed: Followed) -> None:
    followed.airflow.runs = [
        run("ingest", "success", 0, Task("ingest", at(1))),
        run("features", "success", 1.1, Task("build", at(2))),
        run("score", "running", 2.1, Task("score"), later=("success",)),
    ]
    plans = followed.plan()
    followed.airflow.failures = ["", *["503"] * 17, "", "503"]
    late = run("monitor", "success", 99, Task("monitor", at(100)))
    followed.clock.due[26] = lambda: followed.airflow.runs.append(late)
    (outcome,) = followed.follow(plans)
    assert outcome.state == "done"


def test_a_token_that_has_ended_is_asked_for_again(followed: Followed) -> None:
    followed.airflow.runs = going_on("running", "running", "success")
    plans = followed.plan()
    followed.airflow.tokens.append("of another start")
    (outcome,) = followed.follow(plans)
    assert outcome.state == "done"


@pytest.mark.parametrize("failure", ["500", "reset", "after:reset", "after:500", "after:cut"])
def test_a_lost_answer_starts_no_second_backfill(followed: Followed, failure: str) -> None:
    followed.airflow.make = lambda: [run("ingest", "running", 70, Task("ingest"))]
    plans = followed.plan()
    assert plans[0].action == "run"
    followed.airflow.failures = [failure]
    backfill.start(followed.api, NAMES, plans, rerun=False, waiting=followed.waiting)
    assert followed.airflow.backfills == 1


def test_the_backfill_of_another_is_not_taken_for_ours(followed: Followed) -> None:
    plans = followed.plan()
    followed.airflow.busy_backfill = True
    followed.airflow.failures = ["reset"]
    with pytest.raises(TransientError, match="another backfill is running"):
        backfill.start(followed.api, NAMES, plans, rerun=False, waiting=followed.waiting)


def test_a_cleared_run_is_not_cleared_twice(followed: Followed) -> None:
    followed.airflow.runs = [
        run("ingest", "success", 0, Task("ingest", at(1))),
        run("features", "failed", 1.1, Task("build")),
    ]
    plans = followed.plan()
    assert plans[0].action == "resume"
    followed.airflow.failures = ["after:reset"]
    backfill.start(followed.api, NAMES, plans, rerun=False, waiting=followed.waiting)
    assert followed.airflow.requests.count("POST /api/v2/dags/features/clearTaskInstances") == 1


def test_where_nothing_runs_yet_a_silent_airflow_is_told_at_once(followed: Followed) -> None:
    followed.airflow.close()
    with pytest.raises(StoreError, match="does not answer"):
        followed.plan()
    assert followed.clock.pauses == 0


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_says_so_and_ends_with_a_code_of_its_own(
    followed: Followed,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    followed.airflow.runs = going_on("running")
    for name, value in followed.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TOLLGATE_AIRFLOW_PORT", str(followed.airflow.port))
    made = backfill.patience

    def patience(days: DayRange, **_: object) -> Patience:
        followed.airflow.failures = ["", *[""] * (1 + 4 + 3), *["500"] * 50]
        return made(days, clock=followed.clock, pause=followed.clock.pause)

    monkeypatch.setattr(backfill, "patience", patience)
    arguments = ["backfill", "--from", str(DAY), "--to", str(DAY), *(["--json"] if as_json else [])]

    with pytest.raises(SystemExit) as ended:
        main(arguments)

    printed = capsys.readouterr()
    assert ended.value.code == 4
    assert "what it runs goes on" in printed.err
    if as_json:
        document = json.loads(printed.out)
        assert (document["days"], document["not_followed"]) == ([], [str(DAY)])
        assert document["error"]["type"] == "NotFollowedError"
    else:
        assert "1 day: 1 not followed to the end" in printed.out


def stopped() -> list[DagRun]:
    """`features` was paused when the event of the ingested day came."""
    return [run("ingest", "success", 0, Task("ingest", at(1)))]


@pytest.mark.parametrize("missing", [None, ("features", "score", "monitor")])
def test_a_day_that_stopped_half_way_is_not_done_and_goes_on_there(
    followed: Followed, missing: tuple[str, ...] | None
) -> None:
    airflow = followed.airflow
    airflow.runs = stopped()
    (plan,) = followed.plan(missing=missing)
    assert (plan.action, NAMES.chain[plan.position], plan.run) == ("resume", "features", None)
    assert plan.reason == "which has not run"
    airflow.make = lambda: [
        run(dag_id, "success", 90 + place, Task(dag_id, at(91 + place)))
        for place, dag_id in enumerate(NAMES.chain[1:])
    ]
    backfill.start(followed.api, NAMES, [plan], rerun=False, waiting=followed.waiting)
    assert "POST /api/v2/dags/features/dagRuns" in airflow.requests
    (outcome,) = followed.follow([plan])
    assert (outcome.state, list(outcome.states)) == ("done", ["features", "score", "monitor"])


def test_a_trigger_whose_answer_is_lost_is_not_made_twice(followed: Followed) -> None:
    followed.airflow.runs = stopped()
    (plan,) = followed.plan()
    followed.airflow.make = lambda: [
        run("features", "running", 90, Task("features"), later=("success",))
    ]
    followed.airflow.failures = ["after:reset"]
    backfill.start(followed.api, NAMES, [plan], rerun=False, waiting=followed.waiting)
    assert [run.dag_id for run in followed.airflow.runs] == ["ingest", "features"]


def test_a_run_that_ended_well_without_its_result_runs_again(followed: Followed) -> None:
    followed.airflow.runs = [
        run(dag_id, "success", place, Task(dag_id)) for place, dag_id in enumerate(NAMES.chain)
    ]
    (whole,) = followed.plan(missing=())
    assert whole.action == "skip"
    (plan,) = followed.plan(missing=("score", "monitor"))
    assert (plan.action, NAMES.chain[plan.position]) == ("resume", "score")
    assert plan.reason == "whose result is not there"
    backfill.start(followed.api, NAMES, [plan], rerun=False, waiting=followed.waiting)
    assert [run.state for run in followed.airflow.runs] == [
        "success",
        "success",
        "queued",
        "success",
    ]


def test_a_dag_that_is_paused_is_named_before_and_while_a_day_is_followed(
    followed: Followed,
) -> None:
    airflow = followed.airflow
    airflow.runs = [run("ingest", "running", 0, Task("ingest"), later=("success",))]
    plans = followed.plan()
    airflow.paused = {"features"}
    (outcome,) = followed.follow(plans)
    assert (outcome.state, outcome.states["features"]) == ("failed", "paused")
    with pytest.raises(ConfigurationError, match="paused") as caught:
        followed.plan()
    assert caught.value.found == "paused: features"
    assert f"{followed.api.url}/dags/features" in caught.value.next_step
