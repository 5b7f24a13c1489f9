"""Logs of services stay within a bound while the services run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pipelines.services import log_keeper, processes
from tests.serve.processes import until

WRITER = """
import sys
number = 0
for line in sys.stdin:
    for _ in range(100):
        print(f"line {number}", flush=True)
        number += 1
"""


def test_a_service_goes_on_writing_into_a_log_that_was_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with log.open("ab") as output:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=output, text=True
        )
    assert writer.stdin is not None
    lines: list[str] = []
    for turn in range(1, 5):
        writer.stdin.write("\n")
        writer.stdin.flush()
        until(lambda turn=turn: f"line {100 * turn - 1}\n" in log.read_text())  # type: ignore[misc]
        assert log_keeper.rotate(log, limit=100, kept=3)
        assert log.stat().st_size == 0
        assert not log_keeper.rotate(log, limit=100, kept=3)
    writer.stdin.close()
    assert writer.wait(20) == 0
    kept = [Path(f"{log}.{number}") for number in (3, 2, 1)]
    for path in kept:
        lines += path.read_text().splitlines()
        assert path.stat().st_mode & 0o077 == 0
    assert lines == [f"line {number}" for number in range(100, 400)], (
        "the oldest was let go, nothing else is missing"
    )
    assert log_keeper.old_logs(tmp_path) == sorted(kept)


def test_the_keeper_looks_at_every_log_of_its_folder(tmp_path: Path) -> None:
    logs = [tmp_path / f"{name}.log" for name in ("airflow", "mlflow")]
    for log in logs:
        log.write_bytes(b"x" * (log_keeper.LIMIT + 1))
    command = [sys.executable, "-m", log_keeper.__name__, str(tmp_path)]
    keeper = processes.start(
        log_keeper.NAME, command, environment=os.environ, folder=tmp_path, port=0
    )
    try:
        until(lambda: all(log.stat().st_size == 0 for log in logs))
    finally:
        assert processes.stop(tmp_path, [keeper], patience=5) == [log_keeper.NAME]
    assert [path.stat().st_size for path in log_keeper.old_logs(tmp_path)] == [
        log_keeper.LIMIT + 1
    ] * 2
