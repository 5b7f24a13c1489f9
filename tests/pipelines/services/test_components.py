"""Components: named, well or not by their exit code, on loopback unless they are told otherwise."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pipelines import run
from pipelines.airflow import server as airflow_server
from pipelines.airflow.api import SCRAPER, USER, AirflowApi, passwords_file
from pipelines.airflow.users import make_passwords
from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.cli.main import main
from pipelines.services import metrics_token
from pipelines.services.components import COMPONENTS, component
from pipelines.services.service_list import SERVICES
from tests.ports import free_port


def test_an_unknown_component_is_told_which_there_are() -> None:
    with pytest.raises(ConfigurationError, match="no such component") as caught:
        component("airflow-worker")
    assert all(component.name in caught.value.expected for component in COMPONENTS)


@pytest.mark.parametrize("name", [component.name for component in COMPONENTS if component.healthy])
def test_what_does_not_run_is_not_well(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    for setting in ("SPARK", "AIRFLOW", "MLFLOW", "SERVE"):
        monkeypatch.setenv(f"TOLLGATE_{setting}_PORT", str(free_port()))
    with pytest.raises(SystemExit) as ended:
        main(["component", name, "--check"])
    assert ended.value.code == 1


def test_an_errand_has_no_health(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["component", "airflow-migrate", "--check"])
    assert ended.value.code == 1
    assert "an errand has no health" in capsys.readouterr().err


def test_everything_listens_on_loopback_unless_told_otherwise(
    settings: Settings, jars_are_there: None
) -> None:
    for bind, given in (
        ("127.0.0.1", settings),
        ("0.0.0.0", settings.model_copy(update={"bind": "0.0.0.0"})),
    ):
        spark, mlflow, _ = (service.command(given) for service in SERVICES)
        assert f"spark.connect.grpc.binding.address={bind}" in spark
        assert mlflow[mlflow.index("--host") + 1] == bind
        assert airflow_server.environment(given)["AIRFLOW__API__HOST"] == bind
    with pytest.raises(ConfigurationError, match="TOLLGATE_BIND"):
        Settings.build(home=settings.home, bind="all")


@pytest.fixture
def jars_are_there(settings: Settings) -> None:
    from pipelines.spark.jars import jars_of, missing_jars

    if missing_jars(settings.jars, jars_of(settings)):
        pytest.skip("Spark's jars are not here (make setup)")


def test_tasks_and_commands_find_an_airflow_elsewhere(settings: Settings) -> None:
    there = settings.model_copy(update={"airflow_url": "http://airflow-api-server:8480"})
    environment = airflow_server.environment(there)
    assert (
        environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
        == "http://airflow-api-server:8480/execution/"
    )
    assert (
        environment["TOLLGATE_AIRFLOW_URL"]
        == AirflowApi(there).url
        == "http://airflow-api-server:8480"
    )
    here = airflow_server.environment(settings)["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert here == f"http://127.0.0.1:{settings.airflow_port}/execution/"


def test_a_home_of_before_keeps_its_password_and_gets_one_for_the_scraper(
    settings: Settings,
) -> None:
    passwords_file(settings).parent.mkdir(parents=True)
    passwords_file(settings).write_text(json.dumps({USER: "known"}))
    path = make_passwords(settings)
    first = json.loads(path.read_text())
    assert first.keys() == {USER, SCRAPER}
    assert first[USER] == "known"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(make_passwords(settings).read_text()) == first


def test_a_token_that_nobody_renews_is_not_fresh(settings: Settings) -> None:
    assert not metrics_token.is_fresh(settings)
    file: Path = metrics_token.token_file(settings)
    file.parent.mkdir(parents=True)
    file.write_text("x")
    assert metrics_token.is_fresh(settings)
    old = time.time() - 3 * metrics_token.RENEWED
    os.utime(file, (old, old))
    assert not metrics_token.is_fresh(settings)


def test_an_image_names_the_commit_that_it_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHECKOUT", tmp_path)
    monkeypatch.setattr(run, "BUILT_FROM", tmp_path / ".code-version")
    assert run.code_version.__wrapped__() == "unknown"
    (tmp_path / ".code-version").write_text("0123456789ab\n")
    assert run.code_version.__wrapped__() == "0123456789ab"
    assert (CHECKOUT / "docker" / "Dockerfile").read_text().count("> .code-version") == 1
