"""The `tollgate` command: gathers the groups, prints errors as blocks, and turns them into exit
codes.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from pipelines.cli.interruption import Interruption, heeded_signals

if TYPE_CHECKING:
    import typer

GROUPS = ("nights", "releases", "data", "services", "upkeep")
"""Packages of commands, in the order in which a home meets them."""


def build_app() -> typer.Typer:
    """The whole command line: every module of the groups that has `register(app)`."""
    import typer

    from pipelines.cli import version
    from pipelines.cli.home_guard import guard_commands

    app = typer.Typer(
        name="tollgate",
        help="A gated, self-watching machine-learning pipeline on Airflow, Spark and Delta.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in _command_modules():
        module.register(app)
    version.register(app)
    guard_commands(app)
    return app


def _command_modules() -> Iterator[ModuleType]:
    for group in GROUPS:
        package = import_module(f"pipelines.cli.{group}")
        for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
            module = import_module(f"{package.__name__}.{name}")
            if hasattr(module, "register"):
                yield module


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 only where the thing asked for holds, 2 for a wrong call, else 1.

    130 after Ctrl-C and 143 after SIGTERM: `pipelines.cli.interruption`. Whatever it ends in,
    nobody reads a traceback: `pipelines.cli.error_handling`.
    """
    from pipelines.base.commands import about_use_case

    use_case, arguments = _chosen_use_case(sys.argv[1:] if arguments is None else arguments)
    with heeded_signals() as interruption, about_use_case(use_case):
        try:
            _run(arguments, interruption)
        except BaseException as error:
            finished = isinstance(error, SystemExit) and not error.code
            if interruption.came and not finished:
                interruption.end(arguments)
            raise


def _chosen_use_case(arguments: list[str]) -> tuple[str, list[str]]:
    """The name in `-u NAME` or `--use-case NAME` before the command, and the arguments without it.

    What is incomplete stays, and typer says so.
    """
    match arguments:
        case ["-u" | "--use-case", name, *others] if name and not name.startswith("-"):
            return name, others
        case [first, *others] if first.startswith("--use-case=") and first != "--use-case=":
            return first.removeprefix("--use-case="), others
    return "", arguments


def _run(arguments: list[str], interruption: Interruption) -> NoReturn:
    """Run a command; raises `SystemExit`, and after an interruption whatever that came out as."""
    # what takes time to import is imported where an interruption is heeded already
    from pipelines.cli.error_handling import end_in_block, never_fail_to_print, one_line_logs

    never_fail_to_print()
    with one_line_logs(arguments):
        try:
            build_app()(args=arguments, prog_name="tollgate")
        except SystemExit as ended:
            raise SystemExit(_flushed(ended.code)) from None
        except BaseException as error:
            if interruption.came:
                raise
            raise SystemExit(end_in_block(error, arguments)) from error
    raise SystemExit(0)


def _flushed(code: int | str | None) -> int | str | None:
    """The exit code, after all output has left: a reader that has gone away meanwhile is no error
    of ours to show.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # the interpreter flushes once more at its end, and would print what it meets there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or 1
    return code
