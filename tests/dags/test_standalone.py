"""The DAGs under a real `airflow standalone` with a Spark Connect server: the days of a small
world, in order.

The tests build on one another, as the days do: two by backfill, one again, one that is refused and
comes again while its follower waits, which drifts. (Three by backfill:
`test_production_services.py`.)
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from itertools import chain
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines.airflow.api import USER, DagRun
from pipelines.airflow.names import Orchestration
from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings
from pipelines.mlflow.password_gate import login
from pipelines.releases.approval import request
from pipelines.run import Run
from pipelines.services import local as services
from pipelines.services import processes
from pipelines.spark.session import spark_session
from pipelines.spark.token import server_token
from pipelines.usecases.registry import load
from tests.dags.world import BROKEN, FIRST, LAST, TOLLGATE, World, deliver, small_world
from tests.pipelines.releases.bundles import stored_release
from tests.pipelines.releases.test_approval import ACCOUNT

pytestmark = [pytest.mark.slow, pytest.mark.airflow]

BOTH = DayRange.of_length(FIRST, 2)
CHAIN = Orchestration("fraud").chain


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("airflow") / "home"
    try:
        yield small_world(home)
    finally:
        subprocess.run(
            [TOLLGATE, "down"], env={**os.environ, "TOLLGATE_HOME": str(home)}, check=True
        )


def test_a_dry_run_lists_the_days_and_runs_none(world: World) -> None:
    planned = world.json("backfill", "--from", BOTH.first, "--to", BOTH.last, "--dry-run")
    assert [day["action"] for day in planned["days"]] == ["run"] * 2
    assert world.api.runs("ingest", str(FIRST)) == []


def test_two_days_by_backfill_both_ends_included(world: World) -> None:
    done = world.tollgate("backfill", "--from", BOTH.first, "--to", BOTH.last)
    assert done.stdout.splitlines()[-1] == "2 days: 2 done"
    for day in BOTH:
        assert f"again:  tollgate backfill --from {day} --to {day} --rerun" in done.stdout
        for stage in ("ingest", "features", "materialize", "score", "monitor"):
            assert world.ledger.latest(stage, first=day, last=day)[day].status == "done", (
                stage,
                day,
            )
    assert (
        world.json("backfill", "--from", FIRST, "--to", BOTH.last, "--dry-run")["days"][0]["action"]
        == "skip"
    )


@pytest.mark.guarantee(
    "a re-run has one effect",
    fault="a day cleared in Airflow",
    seen="the chain runs again and gives the same tables",
)
def test_a_day_cleared_in_airflow_runs_again_down_the_chain_and_gives_the_same(
    world: World,
) -> None:
    world.tollgate(
        "backfill", "--from", BOTH.first, "--to", BOTH.last
    )  # `make test-faults` runs this test alone
    day = FIRST
    tables = ("transactions", "features", "predictions", "alerts")
    before = world.contents(tables, day)
    newest_before = {dag_id: world.newest(dag_id, day) for dag_id in CHAIN}
    assert newest_before["ingest"] is not None
    assert world.api.clear(newest_before["ingest"], only_failed=False) == 1

    def all_again() -> bool:
        newest = [world.newest(dag_id, day) for dag_id in CHAIN[1:]]
        return all(
            run and run != newest_before[run.dag_id] and run.state == "success" for run in newest
        )

    world.wait("the chain for the cleared day", all_again)
    assert world.contents(tables, day) == before


def test_a_day_that_broke_further_down_goes_on_there(world: World) -> None:
    day = BOTH.last
    before = {dag_id: world.newest(dag_id, day) for dag_id in CHAIN}
    broken = before["score"]
    assert broken is not None
    world.mark_failed(broken)
    planned = world.json("backfill", "--from", day, "--to", day, "--dry-run")["days"][0]
    assert (planned["action"], planned["from"]) == ("resume", "score")
    world.tollgate("backfill", "--from", day, "--to", day)
    assert [world.newest(dag_id, day) for dag_id in ("ingest", "features")] == [
        before["ingest"],
        before["features"],
    ]
    assert world.api.run("score", broken.run_id).state == "success"
    assert world.newest("monitor", day) != before["monitor"]


def test_a_day_that_fails_its_gate_holds_back_what_follows_and_says_so(world: World) -> None:
    before = world.newest_version("transactions")
    refused_day = world.json("backfill", "--from", BROKEN, "--to", BROKEN, code=1)["days"][0]
    assert (refused_day["state"], refused_day["failed_task"]) == ("failed", "ingest.ingest")
    assert refused_day["states"] == {"ingest": "failed"} | dict.fromkeys(CHAIN[1:], "held back")
    assert [world.api.runs(dag_id, str(BROKEN)) for dag_id in CHAIN[1:]] == [[], [], []]
    assert world.newest_version("transactions") == before
    run = world.newest("ingest", BROKEN)
    assert run is not None
    task = world.api.tasks(run)[0]
    assert task.try_number == 1, "a permanent error is not tried again"
    events = [
        json.loads(line)["event"] for line in Path(refused_day["log"]).read_text().splitlines()
    ]
    block = [event for event in events if not event.startswith("::")][-1]
    for part in (
        f"FAILED     ingest.ingest for {BROKEN}",
        "held back  features, score, monitor",
        "docs/runbooks/",
    ):
        assert part in block
    assert block in world.api.log(run, task)


def test_a_day_waits_for_the_one_before_without_keeping_it_from_running(world: World) -> None:
    follower = subprocess.Popen(
        [TOLLGATE, "backfill", "--from", str(LAST), "--to", str(LAST)],
        env=world.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def waits() -> bool:
            run = world.newest("features", LAST)
            return run is not None and any(
                task.state == "up_for_retry" for task in world.api.tasks(run)
            )

        world.wait("features waiting for the day before", waits)
        shutil.rmtree(world.settings.home / "landing")
        deliver(world)
        mended = world.json("backfill", "--from", BROKEN, "--to", BROKEN)["days"][0]
        assert mended["state"] == "done"
        assert follower.wait(timeout=900) == 0
    finally:
        follower.kill()


def test_drift_starts_a_training_with_the_day_and_the_reason(world: World) -> None:
    assert [world.newest("train", day) for day in DayRange(FIRST, BROKEN)] == [None] * 3
    retrain = world.ledger.latest("monitor", first=LAST, last=LAST)[LAST].account.retrain
    assert retrain.asked

    as_of = LAST + timedelta(days=1)
    world.wait(
        "the training", lambda: as_of in world.ledger.latest("train", first=as_of, last=as_of)
    )
    account = world.ledger.latest("train", first=as_of, last=as_of)[as_of].account
    assert account.reason == retrain.reason
    states = {"approved": "shadow", "needs a person": "candidate", "refused": "refused"}
    assert account.state == states[account.verdict.decision]
    pointer = world.ledger.champion()
    assert pointer is not None
    assert pointer.release_id != account.release, "it is tried out first"
    assert pointer.challenger == (account.release if account.state == "shadow" else None)
    run = world.newest("train", LAST)
    assert run is not None

    expected = "awaiting_input" if account.state == "candidate" else "skipped"
    world.wait(
        "a person being asked or not",
        lambda: states_of(world, run)["person.approve"] == expected,
    )


def test_a_second_up_is_refused_and_changes_nothing(world: World) -> None:
    refused = world.tollgate("up", code=1)
    assert "up already" in refused.stderr
    assert f"port {world.settings.airflow_port}" in refused.stderr
    assert set(world.api.health().values()) == {"healthy"}


def test_another_home_is_told_which_process_has_the_port(world: World, tmp_path: Path) -> None:
    other = on_the_same_ports(world, tmp_path / "other")
    refused = other.tollgate("up", code=1)
    assert f"port {world.settings.spark_port} is in use" in refused.stderr
    assert "TOLLGATE_SPARK_PORT" in refused.stderr
    assert not list((tmp_path / "other" / "services").glob("*.json"))


@pytest.mark.guarantee(
    "unauthenticated",
    fault=(
        "Airflow, MLflow and Spark Connect as `tollgate up` starts them: no password or token, a"
        " wrong one"
    ),
    seen="refused",
)
def test_nobody_else_gets_in(world: World, tmp_path: Path) -> None:
    address = f"127.0.0.1:{world.settings.spark_port}"
    mlflow = f"http://127.0.0.1:{world.settings.mlflow_port}/api/2.0/mlflow/experiments/search?max_results=1"
    codes = [
        httpx.get(mlflow, auth=credentials, timeout=60).status_code
        for credentials in (None, (USER, "wrong"), login(world.settings))
    ]
    assert codes == [401, 401, 200]
    strangers = Settings.build(home=tmp_path, spark_remote=f"sc://{address}")
    for _ in ("no token", "a token of its own"):
        with pytest.raises(ConfigurationError, match="does not know our token"):
            in_a_new_process(strangers)
        server_token(strangers)
    assert (
        in_a_new_process(world.settings.model_copy(update={"spark_remote": f"sc://{address}"})) == 3
    )
    for path in ("/api/v2/dags", "/api/v2/backfills?dag_id=ingest"):
        assert httpx.get(world.api.url + path, timeout=60).status_code == 401
    assert (world.settings.home / "airflow" / "passwords.json").stat().st_mode & 0o077 == 0


def test_the_doctor_tells_which_services_take_our_password_and_which_are_another_home_s(
    world: World, tmp_path: Path
) -> None:
    names = ("spark connect", "mlflow ui", "airflow")
    checks = {check["name"]: check for check in world.json("doctor")}
    assert [checks[name]["ok"] for name in names] == [True] * 3, checks
    assert all("takes our" in checks[name]["found"] for name in names)
    stranger = on_the_same_ports(world, tmp_path / "another")
    stranger_checks = {check["name"]: check for check in stranger.json("doctor", code=1)}
    assert [stranger_checks[name]["ok"] for name in names] == [False] * 3, stranger_checks
    assert all(
        f"runs for the home at {world.settings.home}" in stranger_checks[name]["found"]
        for name in names
    ), stranger_checks
    assert all("TOLLGATE_HOME" in stranger_checks[name]["advice"] for name in names)


def on_the_same_ports(world: World, home: Path) -> World:
    """Another home, with stores of its own, whose services would have the ports of this world's."""
    ports = {
        name: getattr(world.settings, name)
        for name in ("spark_port", "mlflow_port", "airflow_port")
    }
    return World(Settings.build(home=home, **ports))


def in_a_new_process(settings: Settings) -> int:
    """Three rows counted by the server of these settings; Spark's client keeps one mind in a
    process.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(count_three, settings).result()


def count_three(settings: Settings) -> int:
    return int(spark_session(settings).range(3).count())


def states_of(world: World, run: DagRun) -> dict[str, str | None]:
    """The state of each task of a run."""
    return {task.task_id: task.state for task in world.api.tasks(run)}


@pytest.mark.parametrize(
    ("option", "verb", "state", "promote"),
    [("Approve", "approved", "shadow", "success"), ("Reject", "rejected", "refused", "skipped")],
)
def test_a_persons_answer_in_airflow_moves_the_release_or_refuses_it(
    world: World, option: str, verb: str, state: str, promote: str
) -> None:
    """A release whose verdict asks for a person, as a training leaves it; its DAG asks
    (`tests/dags/asking`).
    """
    as_of = LAST + timedelta(days=2)
    made = Run(world.settings, load("fraud"), run_id="test", actor="train")
    seed = {"Approve": 11, "Reject": 12}[option]
    release = stored_release(made, seed, "needs a person", str(as_of)).release_id
    made.ledger.set_state(
        release, "candidate", reason="waits for approval", actor="train", at=made.clock()
    )
    before = world.ledger.moves()
    question = request(made.use_case, ACCOUNT.replaced(release=release))
    run = world.api.trigger("asking", str(as_of), {"approval": question})
    world.wait(
        "a person being asked",
        lambda: states_of(world, run).get("person.approve") == "awaiting_input",
    )
    assert world.ledger.moves() == before, "nothing moves without an answer"

    world.answer(run, "person.approve", option, "the test has looked at it")
    world.wait("what follows from the answer", lambda: world.api.run("asking", run.run_id).finished)
    assert states_of(world, run) == {
        "train": "success",
        "person.approve": "success",
        "person.promote": promote,
    }
    newest = world.ledger.states(release)[-1]
    assert (newest["state"], newest["actor"]) == (state, USER)
    assert newest["reason"] == f"{verb} by {USER}: the test has looked at it"
    moved = [(move.subject, move.kind, move.actor) for move in world.ledger.moves()[len(before) :]]
    assert moved == ([(release, "shadow", USER)] if option == "Approve" else [])


def test_down_stops_everything_and_may_be_repeated(world: World) -> None:
    folder = services.folder(world.settings)
    records = [processes.read(folder, name) for name in ("spark", "airflow", "mlflow")]
    members = list(chain.from_iterable(record.members() for record in records if record))
    assert len(members) > 8
    assert set(world.json("down")["stopped"]) == {"spark", "airflow", "mlflow"}
    assert [
        process
        for process in members
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ] == []
    assert world.json("down")["stopped"] == []
    assert {service.state for service in services.status(world.settings)} == {"down"}
