"""Settings: one place reads the environment, all problems at once, and another process gets the same settings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import CHECKOUT, Settings


def test_everything_derives_from_the_home(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TOLLGATE_HOME": str(tmp_path)})
    assert settings.landing == str(tmp_path / "landing")
    assert settings.ledger == f"sqlite:///{tmp_path}/ledger.sqlite"
    assert settings.spark_remote is None


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"TOLLGATE_AIRFLOW_PORT": "99999", "TOLLGATE_SPARK_MEMORY": "lots"})
    assert "2 settings" in caught.value.what
    assert "TOLLGATE_AIRFLOW_PORT='99999'" in caught.value.found
    assert "TOLLGATE_SPARK_MEMORY='lots'" in caught.value.found


def test_another_process_gets_the_same_settings(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path, spark_remote="sc://127.0.0.1:1", airflow_port=1234)
    assert Settings.from_environment(settings.environment()) == settings


def test_only_the_settings_module_reads_the_environment_for_tollgate() -> None:
    readers = [
        path.relative_to(CHECKOUT)
        for room in ("features", "expectations", "pipelines", "dags")
        for path in (CHECKOUT / room).rglob("*.py")
        if re.search(r"environ\W.*TOLLGATE_|getenv\(.*TOLLGATE_|dict\(os.environ", path.read_text())
    ]
    assert readers == [Path("pipelines/base/settings.py")]


def test_importing_the_settings_does_nothing(tmp_path: Path) -> None:
    code = "import pipelines.base.settings, pipelines.run, sys; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []
