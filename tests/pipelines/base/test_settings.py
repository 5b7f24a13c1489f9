"""Settings: one place reads the environment, all problems at once, and another process gets the
same settings.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import CHECKOUT, Settings
from tests.python_files import python_files


def test_everything_derives_from_the_home(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TOLLGATE_HOME": str(tmp_path)})
    assert settings.landing == str(tmp_path / "landing")
    assert settings.ledger == f"sqlite:///{tmp_path}/ledger.sqlite"
    assert settings.spark_remote is None


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(
            {"TOLLGATE_AIRFLOW_PORT": "99999", "TOLLGATE_SPARK_MEMORY": "lots"}
        )
    assert "2 settings" in caught.value.what
    assert "TOLLGATE_AIRFLOW_PORT='99999'" in caught.value.found
    assert "TOLLGATE_SPARK_MEMORY='lots'" in caught.value.found


def test_a_variable_that_is_no_setting_is_refused_with_all_the_others() -> None:
    given = {
        "TOLLGATE_NOTIFY_SLAK": "https://example.org",
        "TOLLGATE_SPARK_CORES": "0",
        "TOLLGATE_FRIEND": "x",
    }
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(given)
    assert "3 settings" in caught.value.what
    assert (
        "TOLLGATE_NOTIFY_SLAK: no such setting, TOLLGATE_NOTIFY_SLACK comes near"
        in caught.value.found
    )
    assert "TOLLGATE_FRIEND: no such setting" in caught.value.found
    assert "https://example.org" not in str(caught.value)


def test_variables_of_kubernetes_and_of_the_tests_are_none_of_ours(tmp_path: Path) -> None:
    others = {
        "TOLLGATE_API_SERVER_SERVICE_HOST": "10.0.0.1",
        "TOLLGATE_API_SERVER_SERVICE_PORT_HTTP": "8080",
        "TOLLGATE_API_SERVER_PORT": "tcp://10.0.0.1:8080",
        "TOLLGATE_API_SERVER_PORT_8080_TCP_ADDR": "10.0.0.1",
        "TOLLGATE_REAL_DATA": "/data",
        "OTHER_TOLLGATE_THING": "x",
    }
    given = {"TOLLGATE_HOME": str(tmp_path)}
    assert Settings.from_environment({**given, **others}) == Settings.from_environment(given)


def test_another_process_gets_the_same_settings(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path, spark_remote="sc://127.0.0.1:1", airflow_port=1234)
    assert Settings.from_environment(settings.environment()) == settings


def test_only_the_settings_module_reads_the_environment_for_tollgate() -> None:
    readers = [
        path.relative_to(CHECKOUT)
        for path in python_files("features", "expectations", "pipelines", "dags")
        if re.search(r"environ\W.*TOLLGATE_|getenv\(.*TOLLGATE_|dict\(os.environ", path.read_text())
    ]
    assert readers == [Path("pipelines/base/settings.py")]


def test_importing_the_settings_does_nothing(tmp_path: Path) -> None:
    code = "import pipelines.base.settings, pipelines.run, sys; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []
