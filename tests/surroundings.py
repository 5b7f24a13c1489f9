"""What surrounds a run of the tests and must not matter: the environment, examples drawn by chance,
others' logging.

A plugin of pytest, loaded by `tests/conftest.py`.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

_OURS = re.compile(
    r"(TOLLGATE|AIRFLOW|MLFLOW|AWS)_.*|SPARK_REMOTE|SPARK_CONNECT_MODE_ENABLED|COLUMNS|LINES|NO_COLOR|FORCE_COLOR"
)
_GIVEN = {
    "TOLLGATE_REAL_DATA",
    "TOLLGATE_REQUIRE_REAL_DATA",
    "TOLLGATE_JARS",
    "TOLLGATE_SPARK_JAVA_OPTIONS",
}
"""What somebody who runs the tests may tell them."""

_folders: list[Path] = []


def pytest_configure(config: pytest.Config) -> None:
    _forget_the_environment()
    _choose_examples(config)


def pytest_sessionfinish() -> None:
    """Collect what is left, and leave nothing to look through again.

    pytest collects five times more at its end, which takes seconds on a busy machine; a worker of
    xdist that needs more than five of them is interrupted, and says so.
    """
    gc.collect()
    gc.freeze()
    # DuckDB's binding looks at the interpreter's end for objects that were never freed, and prints
    # each of them
    atexit.register(gc.unfreeze)


def pytest_unconfigure() -> None:
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


def _forget_the_environment() -> None:
    """Take away whatever a developer has set; a command that a test gives no home gets an empty
    one, not theirs.
    """
    for name in list(os.environ):
        if _OURS.fullmatch(name) and name not in _GIVEN:
            del os.environ[name]
    folder = Path(tempfile.mkdtemp(prefix="tollgate-tests-"))
    _folders.append(folder)
    os.environ["TOLLGATE_HOME"] = str(folder / "home")
    os.environ["AIRFLOW_HOME"] = str(folder / "airflow")


def _choose_examples(config: pytest.Config) -> None:
    """Examples of hypothesis: the same in every run, so that a red test is due to what was changed.

    With `--thorough` they are drawn anew each time. None has a deadline: a machine may be busy.
    """
    busy: dict[str, Any] = {
        "deadline": None,
        "suppress_health_check": [HealthCheck.too_slow],
        "print_blob": True,
    }
    hypothesis_settings.register_profile("the same", **busy, derandomize=True)
    # said outright: where the variable CI is set, hypothesis itself begins with a profile that
    # draws nothing anew
    hypothesis_settings.register_profile("new ones", **busy, derandomize=False)
    options = config.getoption("--hypothesis-profile"), config.getoption("--hypothesis-seed")
    if options == (None, None):
        hypothesis_settings.load_profile("new ones" if config.getoption("thorough") else "the same")
    elif options[0] is None:
        hypothesis_settings.load_profile("new ones")


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """The root logger as it was: Airflow, where it is imported, gives it a handler on a stream that
    pytest closes.

    Whatever is logged after that would end in "I/O operation on closed file", and `caplog` would
    see nothing.
    """
    root = logging.getLogger()
    level, handlers = root.level, root.handlers.copy()
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Iterator[None]:
    with _root_logger_kept():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[None]:
    with _root_logger_kept():
        return (yield)
