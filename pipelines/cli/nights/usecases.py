"""`tollgate usecases`: every use case of the home, what decides in it, and whether it is well."""

from __future__ import annotations

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("usecases")(usecases)


def usecases(as_json: AsJson = False) -> None:
    """List the use cases: kind of problem, owner, champion, newest scored day, healthy or not.

    Healthy is one whose declaration loads and that has no open critical incident. Another command
    acts on one of them: tollgate -u NAME COMMAND.
    """
    from pipelines.base.settings import Settings
    from pipelines.status.use_cases import overviews

    rows = overviews(Settings.from_environment())
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    columns = ("name", "problem", "owner", "champion", "newest", "healthy")
    cells = [
        (
            row.name,
            row.problem,
            row.owner,
            row.champion or ("rule" if row.problem else None),
            str(row.newest) if row.newest else None,
            "yes" if row.healthy else "no",
        )
        for row in rows
    ]
    print_table("use cases", columns, cells)
    for row in rows:
        if row.trouble:
            console.print(
                f"{row.name}: {row.trouble}", highlight=False, markup=False, soft_wrap=True
            )
