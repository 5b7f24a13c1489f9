"""`tollgate repair lake`: damaged files of the lake's tables moved aside.

The group's other stores are in `repair_stores`, which adds its commands to the group that this
module makes: a further store is a further `group.command(…)` there or here.
"""

from __future__ import annotations

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_error, print_json
from pipelines.cli.person import person_run


def register(app: typer.Typer) -> None:
    """Add `lake` to the group `tollgate repair`, which is made where there is none."""
    group = next(
        (group.typer_instance for group in app.registered_groups if group.name == "repair"), None
    )
    if group is None:
        group = typer.Typer(
            no_args_is_help=True, help="Make a lost or damaged store again from what is left."
        )
        app.add_typer(group, name="repair")
    group.command("lake")(lake)


def lake(as_json: AsJson = False) -> None:
    """Move files aside that were cut off (a power loss), and say what to run again.

    Exit code 1: not all could be.
    """
    from pipelines.maintenance.repair_lake import repair_lake

    repair = repair_lake(person_run())
    if as_json:
        print_json(repair.to_json())
    else:
        for removal in repair.taken:
            line = f"{removal.damage.table.name}: {removal.damage.description}; {removal.done}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)
            for path in removal.moved:
                console.print(f"  now in {path}", highlight=False, markup=False, soft_wrap=True)
        for error in repair.refused:
            print_error(error)
        if repair.commands:
            console.print(
                "run again, in this order (or `tollgate backfill --rerun` of these days):"
            )
            for command in repair.commands:
                console.print(f"  {command}", highlight=False, markup=False, soft_wrap=True)
        if not repair.taken and not repair.refused:
            console.print("every table is whole")
    if repair.refused:
        raise typer.Exit(1)
