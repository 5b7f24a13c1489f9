"""Background processes: stopped with all that they started, and nobody else's ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipelines.services import processes
from pipelines.services.processes import ProcessRecord
from tests.serve.processes import until

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def record(tmp_path: Path) -> Iterator[ProcessRecord]:
    """A process that ignores a request to end and has a child in a process group of its own."""
    command = [sys.executable, "-c", STUBBORN]
    started = processes.start("stubborn", command, environment=os.environ, folder=tmp_path, port=1)
    log = processes.log_path(tmp_path, "stubborn")
    until(lambda: len(started.members()) == 2 and "ready" in log.read_text())
    yield started
    processes.stop(tmp_path, [started], patience=0.2)


def test_it_is_found_again_by_its_record(record: ProcessRecord, tmp_path: Path) -> None:
    read_record = processes.read(tmp_path, "stubborn")
    assert read_record == record
    assert read_record.leader() is not None
    assert len(read_record.members()) == 2


def test_stopping_ends_it_with_its_children_and_forgets_it(
    record: ProcessRecord, tmp_path: Path
) -> None:
    members = record.members()
    assert processes.stop(tmp_path, [record], patience=0.5) == ["stubborn"]
    assert [
        process.pid for process in members if process.is_running() and process.status() != "zombie"
    ] == []
    assert processes.read(tmp_path, "stubborn") is None


def test_children_are_found_when_their_parent_is_gone(
    record: ProcessRecord, tmp_path: Path
) -> None:
    leader = record.leader()
    assert leader is not None
    leader.kill()
    psutil.wait_procs([leader], timeout=60)
    assert record.leader() is None
    assert len(record.members()) == 1
    assert processes.stop(tmp_path, [record], patience=0.5) == ["stubborn"]


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(tmp_path: Path) -> None:
    foreign = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    try:
        started = psutil.Process(foreign.pid).create_time()
        stale = ProcessRecord(name="stale", pid=foreign.pid, started=started - 3600, port=1)
        assert stale.leader() is None
        assert processes.stop(tmp_path, [stale], patience=0.2) == []
        assert foreign.poll() is None
        assert replace(stale, started=started).leader() is not None
    finally:
        foreign.kill()
        foreign.wait()


@pytest.mark.parametrize("text", ["", "no json", "{}", '{"name": "x"}', "[]"])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    assert processes.read(tmp_path, "broken") is None


def test_what_it_writes_is_the_users_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "open('secret', 'w')"]
    started = processes.start("writer", command, environment=os.environ, folder=tmp_path, port=1)
    until((tmp_path / "secret").exists)
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    processes.stop(tmp_path, [started], patience=1)
