"""Whatever a command ends in: one block, an exit code, the traceback in a file; nothing of Python
or Java to read.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
import typer.main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.base.errors import PermanentError
from pipelines.base.settings import Settings
from pipelines.cli import error_handling as net
from pipelines.cli import error_log
from pipelines.cli.main import build_app
from pipelines.cli.upkeep import doctor
from tests.cli.calling import called

CARD = "4111111111111111"
SCRIPT = "from pipelines.cli.main import main; main()"


class _UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class _Panic(BaseException):
    """As those of Rust's libraries, which are no `Exception`."""


FAULTS: dict[str, BaseException] = {
    "a bug": TypeError("unsupported operand"),
    "a key": KeyError("rows"),
    "a full disk": OSError(28, "No space left on device", "/somewhere/file"),
    "a stranger of the disk": OSError("of its own"),
    "no memory": MemoryError(),
    "too deep": RecursionError("maximum recursion depth exceeded"),
    "a missing library": ModuleNotFoundError("No module named 'mlflow'"),
    "without a text": _UnprintableError(),
    "many lines": ValueError("first\n  at org.apache.hadoop.Something(Something.java:1)\n" * 300),
    "a panic": _Panic("of another language"),
    "a group": ExceptionGroup("several", [ValueError("one"), TypeError("two")]),
    "a lone surrogate": ValueError("\udcff\x1b[2J"),
}


@pytest.fixture
def home(new_home: Path) -> Path:
    """A home that is there."""
    new_home.mkdir()
    return new_home


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `tollgate doctor` end in this."""

    def diagnose(_: Settings) -> None:
        raise error

    monkeypatch.setattr("pipelines.doctor.machine.diagnose", diagnose)


@pytest.mark.parametrize("name", FAULTS)
def test_any_error_is_one_block_and_its_traceback_is_in_the_log(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, FAULTS[name])
    code, out, err = called(capsys, "doctor")
    log = error_log.error_log(home)
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert "\x1b[2J" not in err
    assert len(err.splitlines()) <= 6
    assert "next step:" in err
    assert f"log:        {log} (the full traceback)" in err
    assert log.stat().st_mode & 0o077 == 0
    assert "tollgate doctor" in log.read_text()
    assert name == "without a text" or "Traceback (most recent call last)" in log.read_text()


def test_with_json_it_is_a_document_too(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, TypeError("unsupported operand"))
    code, out, _ = called(capsys, "doctor", "--json")
    assert code == 1
    document = json.loads(out)["error"]
    assert (document["type"], document["found"]) == (
        "UnexpectedError",
        "TypeError: unsupported operand",
    )
    assert str(home) in document["log"]


def test_secrets_and_card_numbers_are_in_neither(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-canary-1")
    monkeypatch.setenv("TOLLGATE_NOTIFY_SLACK", "https://hooks.example/slack-canary-2")
    said = (
        "postgresql://u:password-canary-3@h/b Bearer%20token-canary-4 aws-canary-1 slack-canary-2"
        f" {CARD}"
    )
    said = said.replace("slack-canary-2", "https://hooks.example/slack-canary-2")
    _failing(monkeypatch, ValueError(said))
    _, _, err = called(capsys, "doctor")
    written = error_log.error_log(home).read_text()
    for text in (err, written):
        assert "canary" not in text
        assert CARD not in text
        assert "************1111" in text


def test_where_no_home_can_be_written_a_file_of_its_own_takes_the_traceback(
    new_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _failing(monkeypatch, TypeError("unsupported operand"))
    _, _, err = called(capsys, "doctor")
    (file,) = tmp_path.glob("tollgate-error-*.log")
    assert f"log:        {file}" in err
    assert "unsupported operand" in file.read_text()
    assert not new_home.exists()


def test_settings_that_cannot_be_used_do_not_hide_the_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_SPARK_PORT", "many")
    code, _, err = called(capsys, "doctor")
    assert code == 1
    assert "TOLLGATE_SPARK_PORT='many'" in err


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_log, "LIMIT", 5_000)
    monkeypatch.setattr(error_log, "ENTRY_LIMIT", 2_000)
    for number in range(30):
        path = error_log.keep_traceback(
            ValueError(f"{number} " + "x" * 10_000), home=tmp_path, doing="a test"
        )
    assert path is not None
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "errors.log",
        "errors.log.1",
        "errors.log.2",
    ]
    assert sum(p.stat().st_size for p in path.parent.iterdir()) < 3 * (5_000 + 2_500)
    assert "29 " in path.read_text()


def test_an_error_of_ours_keeps_the_long_text_of_its_cause(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = PermanentError("the lake refused a write", found="first")
    error.__cause__ = ValueError("first\n  at org.apache.hadoop.Something(Something.java:1)")
    _failing(monkeypatch, error)
    _, _, err = called(capsys, "doctor")
    assert "Something.java" not in err
    assert "log: " in err
    assert "Something.java" in error_log.error_log(home).read_text()


def test_an_error_of_ours_that_says_all_has_no_log(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, PermanentError("a day was refused", found="bad rows"))
    _, _, err = called(capsys, "doctor")
    assert "log:" not in err
    assert not error_log.error_log(home).exists()


def test_ctrl_c_is_no_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, KeyboardInterrupt())
    code, out, err = called(capsys, "doctor")
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert not error_log.error_log(home).exists()


def test_threads_and_libraries_that_log_an_error_say_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])

    def diagnose(_: Settings) -> list[object]:
        thread = threading.Thread(target=lambda: [][1])
        thread.start()
        thread.join()
        try:
            json.loads("{")
        except ValueError:
            logging.getLogger("a.library").exception("could not read")
        return []

    monkeypatch.setattr("pipelines.doctor.machine.diagnose", diagnose)
    code, _, err = called(capsys, "doctor", "--json")
    assert code == 0
    assert "Traceback" not in err
    first, second, *_ = [line for line in err.splitlines() if not line.startswith("  ")]
    assert first.startswith(
        "a thread of tollgate doctor: IndexError: list index out of range (traceback in "
    )
    assert second == "ERROR a.library: could not read"
    assert "JSONDecodeError" in error_log.error_log(home).read_text()


def test_a_reader_that_goes_away_is_no_traceback(new_home: Path) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'"{sys.executable}" -c "{SCRIPT}" status --json | true; exit "${{PIPESTATUS[0]}}"',
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "TOLLGATE_HOME": str(new_home)},
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_ctrl_c_in_the_middle_of_a_command_ends_it_quietly(new_home: Path) -> None:
    code = "import sys, time; from pipelines.doctor import machine as diagnosis;"
    code += (
        "diagnosis.diagnose = lambda _: [print('waiting', flush=True), time.sleep(600)];" + SCRIPT
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code, "doctor"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TOLLGATE_HOME": str(new_home)},
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "waiting\n"
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "Traceback" not in err


def test_a_terminal_without_our_letters_gets_escapes(new_home: Path) -> None:
    new_home.mkdir()
    code = "import sys; from pipelines.doctor import machine as diagnosis;"
    code += r"diagnosis.diagnose = lambda _: [print('Gr\xf6\xdfe \u2192 5'), sys.exit(0)];" + SCRIPT
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor"],
        capture_output=True,
        timeout=120,
        env={
            **os.environ,
            "TOLLGATE_HOME": str(new_home),
            "PYTHONIOENCODING": "ascii",
            "PYTHONUTF8": "0",
        },
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == rb"Gr\xf6\xdfe \u2192 5" + b"\n"


def _commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> dict[tuple[str, ...], click.Command]:
    children = getattr(command, "commands", {})
    by_path = (
        {}
        if children and not getattr(command, "invoke_without_command", False)
        else {path: command}
    )
    for name, child in children.items():
        by_path |= _commands(child, (*path, name))
    return by_path


COMMANDS = _commands(typer.main.get_command(build_app()))  # type: ignore[arg-type]
ODD = (
    "",
    "\x00",
    "..",
    "/",
    "/proc/self/mem",
    "/dev/null/x",
    "a" * 5000,
    "~nobody/x",
    "\udcff",
    "Bü\u202e\x1b[2J",
    "🂡",
)
DAYS = (
    "2026-02-30",
    "0000-00-00",
    "0001-01-01",
    "9999-12-31",
    "2024-03-01",
    "١٩٩٩-٠١-٠١",
    "2024-3-1",
    "tomorrow",
)
NUMBERS = ("-1", "0", "nan", "inf", "1e400", "9" * 30, "1_0", "٣")
ONE = st.one_of(st.sampled_from(ODD + DAYS + NUMBERS), st.text(max_size=30))
HEALTH = list(HealthCheck)
EXAMPLES = 8
"""Calls of each command; with 200 of each, nothing else was found."""

PROGRAMS = {("component",), ("demo",), ("drill",), ("serve",), ("simulate",)}
"""Commands that run for ever or for minutes, in places of their own, where the call is right: it
never is here.
"""


@st.composite
def _calls(draw: st.DrawFn, path: tuple[str, ...]) -> list[str]:
    """Arguments for a command: each parameter given or not, by its own name, with a value that may
    be anything.
    """
    arguments: list[str] = []
    for parameter in COMMANDS[path].params:
        required = parameter.required
        if not (draw(st.integers(0, 9)) < (9 if required else 3)):
            continue
        if isinstance(parameter, click.Option) or parameter.param_type_name == "option":
            arguments.append(draw(st.sampled_from([*parameter.opts, *parameter.secondary_opts])))
            if getattr(parameter, "is_flag", False):
                continue
        arguments.append(draw(ONE))
    if path in PROGRAMS:
        arguments.append("--no-such-option")
    return [argument for argument in arguments if argument != "--help"]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_arguments_make_a_command_show_a_traceback(
    path: tuple[str, ...],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(
        "JAVA_HOME", str(tmp_path)
    )  # no Java, so that nothing is computed where a call is right
    monkeypatch.setenv("TOLLGATE_MLFLOW", "sqlite:////dev/null/mlflow.sqlite")
    monkeypatch.chdir(tmp_path)
    unforeseen: list[tuple[list[str], str]] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(_calls(path))
    def ended(arguments: list[str]) -> None:
        code, out, err = called(capsys, *path, *arguments)
        assert code in {0, 1, 2, 3}
        for text in (out, err):
            assert "Traceback" not in text
            assert '  File "' not in text
            assert "\x1b[2J" not in text
        assert code == 0 or err or out
        if "does not know" in err or "refused what the command needed" in err:
            unforeseen.append((arguments, err))

    ended()
    assert unforeseen == [], "the net caught what the command itself should have refused"


def test_the_modules_that_are_no_commands_are_not_taken_for_some() -> None:
    assert not hasattr(net, "register")
    assert hasattr(doctor, "register")
