"""`tollgate maintain`, `tollgate ledger backup` and `tollgate ledger restore`: what keeps a home
fit for years.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table
from pipelines.cli.person import person_run

LEDGER = typer.Typer(
    no_args_is_help=True, help="The ledger as one file: backed up, restored, moved to a server."
)


def register(app: typer.Typer) -> None:
    """Add the command and the group to the command line."""
    app.command("maintain")(maintain_command)
    app.add_typer(LEDGER, name="ledger")


def maintain_command(as_json: AsJson = False) -> None:
    """Back the ledger up, put small files of the lake together, remove versions beyond the policy's
    age.

    Exit code 1 where the retention policy deletes days, and a file does not say of which day it is.
    """
    from pipelines.accounts.maintain import AirflowUpkeepAccount
    from pipelines.base.days import DayRange
    from pipelines.maintenance.erasure.by_age import unread_of
    from pipelines.maintenance.stage import maintain

    run = person_run()
    result = maintain(run, DayRange.single(run.clock().date()))
    account = result.accounts[result.days.last]
    unread = unread_of(account.deleted)
    if as_json:
        print_json(result.to_json())
    else:
        rows = [
            (table, done.compacted, done.into, done.removed)
            for table, done in account.tables.items()
        ]
        print_table("tables", ("table", "files put together", "into", "old files removed"), rows)
        airflow = account.airflow or AirflowUpkeepAccount()
        rows_told = (
            "old rows of its database removed"
            if airflow.rows_cleaned
            else airflow.problem or "no database here"
        )
        console.print(
            f"airflow: {airflow.log_files:,} old log files removed; {rows_told}",
            markup=False,
            soft_wrap=True,
        )
        console.print(
            f"ledger: {account.ledger_rows:,} rows in {account.backup} of the home", soft_wrap=True
        )
        for unread_file in unread:
            console.print(
                f"may be too old, its day is not known: {unread_file.path}: {unread_file.why}",
                soft_wrap=True,
                markup=False,
            )
    if unread:
        raise typer.Exit(1)


@LEDGER.command("backup")
def backup_command(
    to: Annotated[
        Path | None,
        typer.Option("--to", help="file to write; by default <home>/backups/ledger-<day>"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Every row of the ledger, as it is at one moment, in one file that only its owner may read."""
    from pipelines.ledger.backup import back_up
    from pipelines.maintenance.stage import backup_file

    run = person_run()
    path = (to or backup_file(run)).expanduser().resolve()
    _show(path, back_up(run.settings.ledger, path, at=run.clock()), as_json)


@LEDGER.command("restore")
def restore_command(
    path: Annotated[Path, typer.Argument(help="a file that `tollgate ledger backup` wrote")],
    as_json: AsJson = False,
) -> None:
    """Fill the ledger that the settings name, which must be empty: a new file, or a server's new
    database.
    """
    from pipelines.ledger.backup import restore

    run = person_run()
    _show(path, restore(path, run.settings.ledger), as_json)


def _show(path: Path, rows: dict[str, int], as_json: bool) -> None:
    if as_json:
        print_json({"file": str(path), "rows": rows})
        return
    print_table(str(path), ("table", "rows"), list(rows.items()))
