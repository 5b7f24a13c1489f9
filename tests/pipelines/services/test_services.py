"""Services: all of them come up or none, and what stands in the way is said."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings
from pipelines.services import local as services
from tests.ports import free_ports


def _settings(home: Path, **changes: object) -> Settings:
    spark, airflow, mlflow = free_ports(3)
    return Settings.build(
        home=home, spark_port=spark, airflow_port=airflow, mlflow_port=mlflow, **changes
    )


def _quiet(name: str, state: str) -> None:
    pass


def _running_in(folder: Path) -> list[psutil.Process]:
    pids = []
    for process in psutil.process_iter():
        try:
            if (
                Path(process.cwd()).is_relative_to(folder)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                pids.append(process)
        except psutil.Error:
            continue
    return pids


@pytest.mark.slow
@pytest.mark.airflow
def test_where_one_service_fails_nothing_is_left_running(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home", spark_memory="1m")
    with pytest.raises(
        ConfigurationError, match="the Spark Connect server did not come up: it ended by itself"
    ) as caught:
        services.up(settings, report=_quiet)
    assert "its log ends with" in caught.value.found
    assert "docs/runbooks/services.md" in caught.value.runbook
    assert _running_in(settings.home) == []
    assert {service.state for service in services.status(settings)} == {"down"}


def test_missing_java_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="Java is missing"):
        services.up(_settings(tmp_path / "home"), report=_quiet)
    assert _running_in(tmp_path) == []


def test_missing_jars_are_said(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home", jars=tmp_path / "none")
    with pytest.raises(ConfigurationError, match="jars are not there"):
        services.up(settings, report=_quiet)
    assert _running_in(tmp_path) == []


def test_a_home_that_is_a_file_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")
    with pytest.raises(ConfigurationError, match="not a folder that we can write to"):
        services.up(_settings(home), report=_quiet)
    assert home.read_text() == "not a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="not a folder that we can write to"):
        services.up(_settings(tmp_path / "home"), report=_quiet)


def test_down_where_nothing_runs_changes_nothing(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home")
    assert services.down(settings) == []
    assert [service.state for service in services.status(settings)] == ["down", "down", "down"]
