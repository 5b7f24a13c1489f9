"""`tollgate reproduce`: a training made again from MLflow's record; the same model, or what
differs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table
from pipelines.cli.person import person_run


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("reproduce")(reproduce_command)


def reproduce_command(
    run: Annotated[str, typer.Argument(help="an MLflow run id, or a release")],
    as_json: AsJson = False,
) -> None:
    """Train again on the pinned data.

    Exit code 0: the same model, byte for byte. 1: another one, or none.
    """
    from pipelines.training.reproduce import reproduce

    reproduction = reproduce(person_run(), run)
    if as_json:
        print_json(reproduction.to_json())
    else:
        title = (
            f"{reproduction.release}: {'the same model' if reproduction.equal else 'ANOTHER model'}"
        )
        print_table(
            title,
            ("model digest", "value"),
            [("expected", reproduction.expected), ("found", reproduction.found or "none")],
        )
        if reproduction.differences:
            print_table(
                "what differs from then", ("what", "expected", "found"), reproduction.differences
            )
        elif not reproduction.equal:
            console.print(
                "neither data, code, environment nor seed differ: the training itself is not"
                " deterministic"
            )
    if not reproduction.equal:
        raise typer.Exit(1)
