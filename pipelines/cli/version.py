"""`tollgate --version`: version, commit, and whether files differ from it."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the option to the command line."""
    app.callback()(tollgate)


def tollgate(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda asked: _print(asked),
            help="say which code it is",
        ),
    ] = False,
) -> None:
    """A gated, self-watching machine-learning pipeline on Airflow, Spark and Delta."""


def _print(asked: bool) -> None:
    """Print the version and end, where it is asked for; exit code 0 also where the commit is not
    known.
    """
    if not asked:
        return
    from importlib.metadata import version

    from pipelines.run import code_identity

    found = code_identity()
    commit, _, state = found.version.partition("+")
    if found.is_known:
        meaning = {
            "dirty": ", files differ from it",
            "unchecked": ", whether files differ is not known",
        }
        told = f"commit {commit}{meaning.get(state, '')}"
    else:
        told = f"commit unknown: {found.problem}; {found.remedy}"
    print(f"tollgate {version('tollgate')}, {told}")
    raise typer.Exit
