"""Ingest is killed with SIGKILL, with its Java machine or by that alone, at one new file in the
lake after another.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.base.days import DayRange
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.nightly.ingest import ingest
from pipelines.run import Run
from tests.conftest import JAVA_OPTIONS
from tests.guarantees.plugin import Tried
from tests.pipelines.nightly.ingest.lake_content import table
from tests.pipelines.nightly.ingest.landing_days import day, events, land, reports

pytestmark = pytest.mark.slow
TABLES = ("quarantine", "fraud_reports", "transactions")
DAYS = DayRange(day(0), day(1))
PATIENCE = 120
POINTS = [(name, files) for files, name in product(range(1, 9), TABLES)]
"""Where to kill: a table, and how many files are to be new in it."""

Content = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def ready(thorough: bool, request: pytest.FixtureRequest) -> Iterator[Run]:
    """A home with a day in its lake, that day's correction and another day landed; every commit
    makes a checkpoint.
    """
    if not thorough:
        pytest.skip(f"{len(POINTS)} kills take ten minutes: `make test-faults` runs them")
    run = request.getfixturevalue("make_run")()
    setting = "spark.databricks.delta.properties.defaults.checkpointInterval"
    run.spark.conf.set(setting, "1")
    landing, rows = run.landing, events(day(0), 400)
    rows[5]["amount"] = Decimal("-1.00")
    land(landing, day(0), rows)
    ingest(run, DayRange.single(day(0)))
    rows[6]["amount"], rows[7]["amount"] = Decimal("12.34"), Decimal("-2.00")
    land(landing, day(0), rows)
    land(landing, day(1), events(day(1), 400))
    land(landing, day(1), reports(day(1), [3]), feed="fraud_reports")
    yield run
    run.spark.conf.unset(setting)


@pytest.mark.timeout(3600)
@pytest.mark.guarantee(
    "a crash leaves old or new", fault="kill -9 of an ingest at the k-th new file of each table"
)
@pytest.mark.guarantee(
    "Spark killed", fault="kill -9 of Spark's driver while ingest writes, with its client or alone"
)
def test_a_killed_ingest_leaves_old_or_new_and_the_next_one_completes(
    ready: Run, make_run: Callable[..., Run], tmp_path: Path, tried: Tried
) -> None:
    whole = copied(ready, make_run, tmp_path / "whole")
    old = content(whole)
    ingest(whole, DAYS)
    new = content(whole)
    assert [name for name in TABLES if old[name] == new[name]] == []
    outcomes: Counter[str] = Counter()
    for point, (name, files) in enumerate(POINTS):
        run = copied(ready, make_run, tmp_path / str(point))
        java_only = point % 2 == 0
        ended = ingest_until(run.settings, name, files, java_only=java_only)
        left = content(run)
        assert [name for name in TABLES if left[name] not in (old[name], new[name])] == []
        if ended == 0:
            assert left == new, "it says that all went well"
        else:
            assert ended > 0 if java_only else ended == -signal.SIGKILL
        outcomes[
            "all old" if left == old else "all new" if left == new else "some tables old, some new"
        ] += 1
        account = ingest(run, DAYS).accounts[day(1)]
        assert content(run) == new
        assert (account.rows_in, account.accepted) == (401, 401)
        shutil.rmtree(run.settings.home)
    assert outcomes["all new"] < outcomes.total(), "no kill came before the end"
    summary = ", ".join(f"{what} {count} times" for what, count in outcomes.items())
    tried(
        outcomes.total(),
        f"each table old or new ({summary}); after the next run all"
        f" {len(new['transactions'])} rows",
    )


def copied(ready: Run, make_run: Callable[..., Run], home: Path) -> Run:
    """A run in a copy of the home."""
    shutil.copytree(ready.settings.home, home)
    places = {name: str(home / name) for name in ("landing", "lake")}
    return make_run(home=home, ledger=f"sqlite:///{home / 'ledger.sqlite'}", **places)


def content(run: Run) -> Content:
    return {name: table(run, name) for name in TABLES}


def ingest_until(settings: Settings, name: str, files: int, *, java_only: bool) -> int:
    """The exit code of `tollgate run ingest` in a process of its own, killed once so many files are
    new in a table.
    """
    place = Path(settings.lake) / settings.use_case / name
    paths_before = paths(place)
    command = [str(Path(sys.executable).parent / "tollgate"), "run", "ingest"]
    command += ["--from", str(DAYS.first), "--to", str(DAYS.last)]
    environment = {
        **os.environ,
        **settings.environment(),
        "TOLLGATE_SPARK_JAVA_OPTIONS": JAVA_OPTIONS,
    }
    with (settings.home / "said").open("w+") as said:
        process = subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdout=said, stderr=said)
        new: set[Path] = set()
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and len(new) < files and time.monotonic() < deadline:
            new |= paths(place) - paths_before
            time.sleep(0.002)
        kill(process, java_only=java_only)
        assert time.monotonic() < deadline, "neither so many files nor an end came in time"
        code = process.wait(PATIENCE)
        said.seek(0)
        assert code <= 0 or "next step:" in said.read(), "who lost its Spark says what to do"
    return code


def paths(folder: Path) -> set[Path]:
    """Every file below, with those that are there for a moment only."""
    files: set[Path] = set()
    for place, _, names in os.walk(folder):
        files |= {Path(place, name) for name in names}
    return files


def kill(process: subprocess.Popen[bytes], *, java_only: bool) -> None:
    """SIGKILL for the Java machine, and before it for the process that has begun it."""
    if process.poll() is not None:
        return
    children = psutil.Process(process.pid).children(recursive=True)
    if not java_only:
        process.kill()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=PATIENCE)
