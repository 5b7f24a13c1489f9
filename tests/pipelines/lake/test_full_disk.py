"""A disk that has no room: at every step of a write the table stays readable, at its old version or
at the new one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import StoreError
from pipelines.lake.lake import Lake
from pipelines.run import Run
from tests.guarantees.plugin import Tried

pytestmark = pytest.mark.slow
DAYS = DayRange.single(date(2026, 11, 7))
TABLE = "transactions"
ROWS = 3000
KIB = 1024
ROOMS = (*range(0, 68, 4), 400)
"""KiB that the disk has left."""
COMMITS = 2
"""Versions before the write that is tried: the next one is a checkpoint's."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 4 MiB, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True
        ).returncode
    ):
        pytest.skip("no disk can be mounted here (that takes root)")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def leave(disk: Path, room: int) -> Path:
    """A file that takes all of the disk but `room` bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        status = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - room)
    return filler


def write(run: Run, lake: Lake, generation: int) -> int:
    rows = run.spark.range(ROWS).selectExpr(
        f"id * 7919 % 104729 + {generation} AS id", "DATE'2026-11-07' AS day"
    )
    return lake.replace_days(rows.coalesce(1), TABLE, DAYS, provenance=run.provenance("ingest"))


def content(lake: Lake) -> int:
    """The sum of the ids: which generation's rows are there, all of them."""
    return int(lake.read(TABLE).groupBy().sum("id").first()[0])


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Iterator[Run]:
    """A run whose tables get a checkpoint with every third version."""
    run = make_run()
    setting = "spark.databricks.delta.properties.defaults.checkpointInterval"
    run.spark.conf.set(setting, str(COMMITS))
    yield run
    run.spark.conf.unset(setting)


@pytest.mark.guarantee(
    "disk full", fault="a disk that has room for 0, 4, 8, … KiB more when a day is replaced"
)
def test_a_write_without_room_leaves_the_old_table_or_the_new(
    run: Run, disk: Path, tmp_path: Path, tried: Tried, thorough: bool
) -> None:
    ready = Lake(run.spark, str(tmp_path / "ready"))
    for generation in range(COMMITS):
        write(run, ready, generation)
    before = content(ready)
    outcomes: Counter[str] = Counter()
    messages: set[str] = set()
    rooms = ROOMS if thorough else (8, 20, 40)
    for room in rooms:
        lake = Lake(run.spark, str(disk / f"lake-{room}"))
        shutil.copytree(ready.path(TABLE), lake.path(TABLE))
        files_before = set(Path(lake.path(TABLE)).rglob("*.parquet"))
        filler = leave(disk, room * KIB)
        try:
            write(run, lake, COMMITS)
            stopped = ""
        except StoreError as error:
            messages.add(error.what)
            made = set(Path(lake.path(TABLE)).rglob("*.parquet")) - files_before
            stopped = "the log" if any(map(_is_whole, made)) else "data"
        filler.unlink()
        old, new = (COMMITS - 1, before), (COMMITS, before + ROWS)
        assert (lake.version(TABLE), content(lake)) == (old if stopped else new)
        checkpoint = Path(lake.path(TABLE), "_delta_log", "_last_checkpoint")
        outcomes[stopped or ("nothing" if checkpoint.exists() else "the checkpoint")] += 1
        assert write(run, lake, COMMITS + 1) == (COMMITS if stopped else COMMITS + 1)
        shutil.rmtree(lake.root)
    assert set(outcomes) >= {"data", "the log", "the checkpoint"}
    assert messages == {"the disk is full"}
    steps = ", ".join(f"{step} {count} times" for step, count in outcomes.items())
    tried(len(rooms), f"stopped at {steps}; old or new each time, and the next write succeeds")


def _is_whole(path: Path) -> bool:
    """Whether it is a Parquet file to its end."""
    return path.read_bytes().endswith(b"PAR1")
