"""What surrounds a run of the tests does not reach into it: shown on a run of its own, with a small
file of tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base.settings import CHECKOUT

LIKE_AIRFLOW = """
import atexit, logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True)
atexit.register(lambda: logging.getLogger("py4j.clientserver").info("Closing down clientserver connection"))

def test_logging_is_as_it_was(caplog):
    assert logging.getLogger().level == logging.WARNING
    logging.getLogger("tollgate").warning("seen")
    assert "seen" in caplog.text

def test_one_that_configures_it_too():
    logging.basicConfig(stream=sys.stdout, level=logging.DEBUG, force=True)

def test_the_next_one_sees_nothing_of_that():
    assert logging.getLogger().level == logging.WARNING
"""  # noqa: E501

ENVIRONMENT = """
import os
from pathlib import Path
from pipelines.base.settings import Settings

def test_nothing_that_a_developer_has_set_is_there():
    settings = Settings.from_environment()
    assert settings.ledger == f"sqlite:///{settings.home}/ledger.sqlite"
    assert settings.spark_remote is None
    assert not settings.home.exists()
    assert str(settings.jars) == "/elsewhere/jars", "where Spark's jars are may be told"
    assert not {"COLUMNS", "AWS_PROFILE", "AIRFLOW__CORE__EXECUTOR"} & set(os.environ)
"""

EXAMPLES = """
from hypothesis import given, settings, strategies as st

seen = []

@given(st.integers(0, 10**9))
def test_numbers(number):
    seen.append(number)

def test_no_deadline():
    assert settings().deadline is None
    print("seen", seen)
"""


def ran(
    folder: Path, content: str, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A run of pytest on one file with that content, with the plugins of these tests."""
    (folder / "test_small.py").write_text(content)
    plugins = (
        "-p",
        "tests.guarantees.plugin",
        "-p",
        "tests.surroundings",
        "-p",
        "no:cacheprovider",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
        *plugins,
        *options,
    ]
    variables = {**os.environ, "PYTHONPATH": str(CHECKOUT), **environment}
    done = subprocess.run(
        [*command, "test_small.py"], cwd=folder, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_logging_that_somebody_configures_ends_with_the_test_and_nothing_is_written_at_exit(
    tmp_path: Path,
) -> None:
    done = ran(tmp_path, LIKE_AIRFLOW)
    assert done.stderr == ""
    assert "3 passed" in done.stdout.splitlines()[-1]


def test_the_environment_of_a_developer_is_left_outside(tmp_path: Path) -> None:
    environment = {
        "TOLLGATE_HOME": "/home/ann/.tollgate",
        "TOLLGATE_LEDGER": "postgresql://ann@bank/ledger",
    }
    environment |= {
        "SPARK_REMOTE": "sc://bank",
        "COLUMNS": "40",
        "AWS_PROFILE": "ann",
        "AIRFLOW__CORE__EXECUTOR": "x",
    }
    ran(tmp_path, ENVIRONMENT, TOLLGATE_JARS="/elsewhere/jars", **environment)


@pytest.mark.parametrize(
    "variables", [{}, {"CI": "true", "GITHUB_ACTIONS": "true"}], ids=["at_a_desk", "in_ci"]
)
def test_examples_are_the_same_in_every_run_and_new_ones_where_that_is_asked_for(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    def seen(*options: str) -> str:
        printed = ran(tmp_path, EXAMPLES, *options, PYTEST_ADDOPTS="", **variables).stdout
        return next(line for line in printed.splitlines() if "seen" in line)

    assert seen() == seen() != seen("--thorough")
