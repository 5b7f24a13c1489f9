"""`tollgate retain`: what may no longer be kept is deleted for good, by the key of a unit or by the
age of a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.listed_ids import read_ids
from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table
from pipelines.cli.person import person_run, required_reason

if TYPE_CHECKING:
    from pipelines.maintenance.erasure.by_key import Deletion
    from pipelines.maintenance.erasure.unread import Unread
    from pipelines.run import Run


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("retain")(retain_command)


def retain_command(
    delete_unit: Annotated[
        list[str] | None, typer.Option(help="key of a unit to delete; may be given again")
    ] = None,
    keys_from: Annotated[
        Path | None, typer.Option(help="file with one key a line; - is the input")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="column of the key; by default the use case's review unit")
    ] = None,
    older_than_policy: Annotated[
        bool,
        typer.Option("--older-than-policy", help="delete the days beyond the retention policy"),
    ] = False,
    reason: Annotated[str, typer.Option(help="why, as the audit will say; name no key in it")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count what would be deleted")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete for good: lake with its earlier versions, landing zone, alert lists, online store.

    Nothing brings it back.

    Keys on a command line can be read by others on the machine: prefer --keys-from. Exit code 1:
    files could not be looked into, and are named; everything else is deleted.
    """
    run = person_run()
    keys = [*(delete_unit or ()), *(read_ids(keys_from, "--keys-from") if keys_from else ())]
    if bool(keys or keys_from) == older_than_policy:
        _usage("either keys or --older-than-policy", "both" if keys else "neither")
    if older_than_policy:
        _by_age(run, dry_run, as_json)
        return
    from pipelines.maintenance.erasure.by_key import delete_units

    given = (
        reason
        if dry_run
        else required_reason(reason, "a deletion needs a reason", command="tollgate retain")
    )
    done = delete_units(run, keys, reason=given, unit=unit, dry_run=dry_run)
    print_json(done.to_json()) if as_json else _show(done)
    if done.unread:
        raise typer.Exit(1)


def _by_age(run: Run, dry_run: bool, as_json: bool) -> None:
    from pipelines.maintenance.erasure.by_age import delete_by_age, unread_of

    deleted = delete_by_age(run, run.clock().date(), dry_run=dry_run)
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "deleted": {name: account.to_json() for name, account in deleted.items()},
            }
        )
    elif not deleted:
        console.print("the use case's retention policy keeps everything")
    else:
        rows = [
            (name, str(account.before), f"{account.deleted:,}") for name, account in deleted.items()
        ]
        print_table(
            "would be deleted" if dry_run else "deleted",
            ("what", "kept from", "rows or files"),
            rows,
        )
    unread = unread_of(deleted)
    if not as_json:
        _show_unread(unread)
    if unread:
        raise typer.Exit(1)


def _usage(expected: str, actual: str) -> Any:
    from pipelines.base.errors import UsageError

    raise UsageError(
        "what is to be deleted is not clear; nothing was",
        expected=expected,
        found=actual,
        next_step="tollgate retain --help",
    )


def _show(done: Deletion) -> None:
    verb = {"counted": "would be deleted", "done": "deleted"}[done.state]
    rows: list[tuple[str, Any, int]] = [
        (f"table {name}", row["before"], row["deleted"]) for name, row in done.tables.items()
    ]
    rows += [(f"landed {feed}", "", row["rows"]) for feed, row in done.landing.items()]
    rows += [(f"alert list {name}", "", count) for name, count in done.alert_lists.items()]
    rows += [("claims of imports", "", done.imports)]
    served = {"answers of the scorer": done.answers, "journal of the scorer": done.journal}
    rows += [(name, "", count) for name, count in served.items() if count]
    rows += [(f"golden set {name}", "", count) for name, count in done.golden_sets.items()]
    rows += [("online store, keys", "", done.online), ("records of the ledger", "", done.records)]
    shown = [(what, str(before), str(count)) for what, before, count in rows if count]
    if not shown:
        console.print("nothing of it was found" if done.unread else "nothing of it is kept")
    else:
        print_table(
            f"{len(done.keys)} of {done.unit}: {verb}", ("where", "rows before", verb), shown
        )
    if done.leftovers:
        console.print(
            f"left by an ingest that was killed, {verb}: {', '.join(done.leftovers)}",
            soft_wrap=True,
        )
    for name in done.in_use:
        console.print(
            f"open in a program: {name}: close it without saving, or what was deleted comes back;"
            " if nobody has it open, remove the lock file beside it",
            soft_wrap=True,
        )
    _show_unread(done.unread)


def _show_unread(unread: Sequence[Unread]) -> None:
    """Name the files that a person has to look into."""
    for unread_file in unread:
        console.print(
            f"not looked into: {unread_file.path}: {unread_file.why}", soft_wrap=True, markup=False
        )
    if unread:
        console.print(
            "look into them and remove or correct them, then run this again:"
            " docs/runbooks/retention.md"
        )
