"""The `tollgate` command: gathers the groups, prints errors as blocks, and turns them into exit codes."""

from __future__ import annotations

import logging
import pkgutil
import sys
from importlib import import_module

import typer

from pipelines import cli
from pipelines.cli.home_guard import guard_commands
from pipelines.cli.output import error_document, print_error, print_json
from pipelines.platform.errors import TollgateError

_NOT_GROUPS = {"import_check", "home_guard", "main", "output", "person"}


def build_app() -> typer.Typer:
    """The whole command line: every module of this package that has `register(app)`, one file per group of commands."""
    app = typer.Typer(
        name="tollgate",
        help="A gated, self-watching machine-learning pipeline on Airflow, Spark and Delta.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in sorted(module.name for module in pkgutil.iter_modules(cli.__path__)):
        if module not in _NOT_GROUPS:
            import_module(f"pipelines.cli.{module}").register(app)
    guard_commands(app)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 only where the thing asked for holds, 2 for a wrong call, 1 otherwise."""
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        build_app()(args=arguments, prog_name="tollgate")
    except TollgateError as error:
        if "--json" in arguments:
            print_json(error_document(error))
        print_error(error)
        raise SystemExit(error.exit_code) from error
