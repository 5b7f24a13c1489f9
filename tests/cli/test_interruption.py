"""Ctrl-C and SIGTERM end a command with one line: what was interrupted, what is left, what to
type.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.interruption import line

_CALL = "from pipelines.cli.main import main; main()"
_WAIT = "print('waiting', flush=True); time.sleep(600)"
DAYS = ("--from", "2026-03-01", "--to", "2026-03-01")
CODES = {signal.SIGINT: (130, "Ctrl-C"), signal.SIGTERM: (143, "SIGTERM")}

COMMANDS = {
    "doctor": ("pipelines.doctor.machine.diagnose", ("doctor",), "it changes nothing"),
    "run": (
        "pipelines.nightly.ingest.ingest",
        ("run", "ingest", *DAYS),
        "each day is in the tables whole",
    ),
    "train": (
        "pipelines.training.stage.train",
        ("train", "--as-of", "2026-03-01"),
        "its release is there whole",
    ),
    "backup": (
        "pipelines.homes.backup.back_up_home",
        ("backup", "home.tar"),
        "no backup was written",
    ),
    "demo": ("pipelines.demo.demo.demo_run", ("demo", "--until", "2026-03-01"), "`tollgate down`"),
    "backfill": ("pipelines.airflow.backfill.plan", ("backfill", *DAYS), "go on there"),
    "up": ("pipelines.services.local.up", ("up",), "`tollgate down` stops them"),
}


def _interrupted(
    home: Path,
    before: str,
    arguments: tuple[str, ...],
    number: signal.Signals,
    *,
    group: bool = False,
) -> tuple[int, str, str]:
    """Exit code and output of a command that gets a signal when it says that it waits."""
    started = subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{_CALL}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TOLLGATE_HOME": str(home)},
        start_new_session=True,
    )
    assert started.stdout is not None
    for text in started.stdout:
        if text == "waiting\n":
            break
    send = os.killpg if group else os.kill
    send(started.pid, number)
    out, err = started.communicate(timeout=120)
    return started.returncode, out, err


@pytest.mark.parametrize(
    ("command", "number"),
    list(zip(COMMANDS, [signal.SIGINT, signal.SIGTERM] * len(COMMANDS), strict=False)),
)
def test_an_interrupted_command_says_one_line(
    command: str, number: signal.Signals, tmp_path: Path
) -> None:
    function, arguments, state = COMMANDS[command]
    module, name = function.rsplit(".", 1)
    before = (
        f"import time\ndef wait(*_, **__): {_WAIT}\nimport {module} as patched\npatched.{name} ="
        " wait"
    )
    code, out, err = _interrupted(tmp_path / "home", before, arguments, number, group=True)
    (said,) = err.strip().splitlines()
    exit_code, kind = CODES[number]
    assert (code, out) == (exit_code, "")
    assert f"was interrupted ({kind})" in said
    assert state in said
    assert said.endswith(f"To go on: tollgate {' '.join(arguments)}")


def test_a_second_signal_at_once_is_the_same_one_and_an_interruption_while_libraries_load_is_heeded(
    tmp_path: Path,
) -> None:
    before = f"import sys, time, types\ndef wait(_): {_WAIT}\n"
    before += (
        "module = types.ModuleType('pipelines.cli.error_handling'); module.__getattr__ = wait\n"
    )
    before += "sys.modules['pipelines.cli.error_handling'] = module"
    code, _, err = _interrupted(tmp_path / "home", before, ("status",), signal.SIGINT)
    assert code == 130
    assert err.strip().splitlines() == [line(["status"], signal.SIGINT)]


def test_an_interruption_that_hits_a_finalizer_is_not_lost(tmp_path: Path) -> None:
    before = f"import time\nclass Last:\n    def __del__(self): {_WAIT}\n"
    before += (
        "def diagnose(_):\n    Last()\n    print('went on', flush=True)\n    time.sleep(600)\n"
    )
    before += "from pipelines.doctor import machine\nmachine.diagnose = diagnose"
    code, _, err = _interrupted(tmp_path / "home", before, ("doctor",), signal.SIGINT)
    assert code == 130
    assert err.strip().splitlines() == [line(["doctor"], signal.SIGINT)]


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
def test_a_spark_job_that_ends_with_its_command_adds_no_line(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = "import time\nimport pipelines.nightly.ingest as patched\ndef count(run, days):\n"
    before += "    job = run.spark.range(10**15).selectExpr('sum(id % 7)')\n"
    before += "    print('waiting', flush=True)\n    job.collect()\npatched.ingest = count"
    code, out, err = _interrupted(
        tmp_path / "home", before, ("run", "ingest", *DAYS), number, group=True
    )
    said = [text for text in err.splitlines() if "incubator" not in text]
    assert (code, out) == (CODES[number][0], "")
    assert said == [line(["run", "ingest", *DAYS], number)]


def test_a_backfill_is_gone_on_with_without_running_its_days_again() -> None:
    text = line(["backfill", "--rerun", *DAYS], signal.SIGINT)
    assert text.endswith(f"To go on: tollgate backfill {' '.join(DAYS)}")


def test_what_was_typed_cannot_command_the_terminal() -> None:
    assert "\x1b" not in line(["import", "--path", "\x1b[2J"], signal.SIGTERM)


def test_a_dry_run_that_is_interrupted_has_changed_nothing() -> None:
    said = line(["retain", "--key", "7", "--dry-run"], signal.SIGINT)
    assert "it changes nothing" in said
    assert "stays deleted" in line(["retain", "--key", "7"], signal.SIGINT)
