"""`tollgate repair STORE`: make a lost store again from ledger, bundles and lake, and say what
cannot be made.
"""

from __future__ import annotations

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json
from pipelines.cli.person import person_run


def register(app: typer.Typer) -> None:
    """Add the commands to the group `tollgate repair`, which another module may have made
    already.
    """
    group = next(
        (group.typer_instance for group in app.registered_groups if group.name == "repair"), None
    )
    if group is None:
        group = typer.Typer(
            no_args_is_help=True, help="Make a lost or damaged store again from what is left."
        )
        app.add_typer(group, name="repair")
    for command in (mlflow, online, ledger, airflow, journal):
        group.command(command.__name__)(command)


def mlflow(as_json: AsJson = False) -> None:
    """Register the ledger's releases again that MLflow has lost, from their bundles, and set its
    alias.
    """
    _repair("mlflow", as_json)


def online(as_json: AsJson = False) -> None:
    """Build the newest states again and put them into the online store."""
    _repair("online", as_json)


def ledger(as_json: AsJson = False) -> None:
    """Go on with a ledger that is older than the home: releases taken up again, missing days
    named.
    """
    _repair("ledger", as_json)


def airflow(as_json: AsJson = False) -> None:
    """Say how Airflow gets its database again."""
    _repair("airflow", as_json)


def journal(as_json: AsJson = False) -> None:
    """Say how the scorer's journal fills again."""
    _repair("journal", as_json)


def _repair(store: str, as_json: bool) -> None:
    """Exit code 0: nothing is wrong with the store any more that can be seen now."""
    from pipelines.maintenance.repair_stores import REPAIRS

    repair = REPAIRS[store](person_run())
    if as_json:
        print_json(repair.to_json())
        return
    for line in repair.done:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in repair.not_done:
        console.print(f"not made again: {line}", highlight=False, markup=False, soft_wrap=True)
    if not repair.done and not repair.not_done:
        console.print("nothing is missing")
