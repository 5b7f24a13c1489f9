"""What stands before a command: `tollgate --version` says which code it is, `-u NAME` which use
case.
"""

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
            callback=lambda wanted: _print(wanted),
            help="say which code it is",
        ),
    ] = False,
    use_case: Annotated[
        str,
        typer.Option(
            "--use-case",
            "-u",
            metavar="NAME",
            help="act on this use case, not on the one that TOLLGATE_USE_CASE names",
        ),
    ] = "",
) -> None:
    """A gated, self-watching machine-learning pipeline on Airflow, Spark and Delta."""


def _print(wanted: bool) -> None:
    """Print the version and end, where it is asked for; exit code 0 also where the commit is not
    known.
    """
    if not wanted:
        return
    from importlib.metadata import version

    from pipelines.run import code_identity

    identity = code_identity()
    commit, _, state = identity.version.partition("+")
    if identity.is_known:
        meaning = {
            "dirty": ", files differ from it",
            "unchecked": ", whether files differ is not known",
        }
        commit_line = f"commit {commit}{meaning.get(state, '')}"
    else:
        commit_line = f"commit unknown: {identity.problem}; {identity.remedy}"
    print(f"tollgate {version('tollgate')}, {commit_line}")
    raise typer.Exit
