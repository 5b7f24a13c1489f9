"""`tollgate withdraw`: take back a day that was run by mistake, for a reason that the records
keep.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json
from pipelines.cli.person import person_run, required_reason


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("withdraw")(withdraw_command)


def withdraw_command(
    day: Annotated[str, typer.Option("--day", help="the day that was run by mistake, YYYY-MM-DD")],
    reason: Annotated[str, typer.Option(help="why, as the records will say")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be taken back")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take back a day: its rows leave the lake, its records leave status, pages and windows; the
    ledger keeps them.

    The landing zone stays as it is. A day that later ones were computed with is refused: take those
    back first.
    """
    from pipelines.base.days import parse_day
    from pipelines.maintenance.withdraw import withdraw

    wanted = parse_day(day, what="--day")
    given = (
        reason
        if dry_run
        else required_reason(
            reason, "a day is withdrawn with a reason", command=f"tollgate withdraw --day {wanted}"
        )
    )
    done = withdraw(person_run(), wanted, reason=given, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **done.to_json()})
        return
    verb = "would be withdrawn" if dry_run else "withdrawn"
    stages = (
        ", ".join(f"{stage} ({status})" for stage, status in done.stages.items()) or "no record"
    )
    console.print(f"{wanted} {verb}: {stages}", highlight=False, soft_wrap=True)
    for name, subjects in (
        ("rows of tables", done.tables),
        ("files", done.files),
        ("incidents closed", done.incidents),
    ):
        if subjects:
            console.print(
                f"  {name}: {', '.join(map(str, subjects))}", highlight=False, soft_wrap=True
            )
