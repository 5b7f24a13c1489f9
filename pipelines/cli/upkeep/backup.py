"""`tollgate backup` and `tollgate restore`: a whole home in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json


def register(app: typer.Typer) -> None:
    """Add `backup` and `restore` to the command line."""
    app.command("backup")(backup_command)
    app.command("restore")(restore_command)


def backup_command(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="file to write, for instance home.tar")
    ],
    as_json: AsJson = False,
) -> None:
    """Write the whole home to one file, keys included, while services run; only its owner may read
    it.
    """
    from pipelines.base.settings import Settings
    from pipelines.homes.backup import back_up_home
    from pipelines.homes.elsewhere import elsewhere_lines
    from pipelines.run import utc_now

    done = back_up_home(Settings.from_environment(), path.expanduser().resolve(), at=utc_now())
    if as_json:
        print_json(vars(done))
        return
    lines = [
        (
            f"{done.path}: {done.files:,} files, {done.size / 1024**2:,.1f} MiB,"
            f" {sum(done.rows.values()):,} ledger rows"
        ),
        (
            f"it holds {done.keys} files with keys and passwords: keep it where only you can read"
            " it (mode 0600)"
        ),
        *elsewhere_lines(done.elsewhere),
        *(
            f"damaged in the home itself, and so in the backup: {file}; see `tollgate doctor`"
            for file in done.damaged
        ),
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def restore_command(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="a file that `tollgate backup` wrote")
    ],
    same_home: Annotated[
        bool,
        typer.Option(
            "--same-home", help="the original is gone for good: identity, keys and servers stay"
        ),
    ] = False,
    share: Annotated[
        list[str] | None,
        typer.Option("--share", help="a store that is used with the original: landing"),
    ] = None,
    separate: Annotated[
        list[str] | None,
        typer.Option("--separate", help="a store that only has the address of the original's"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a home back into TOLLGATE_HOME, which must be empty; at another place it becomes a home
    of its own.
    """
    from pipelines.base.settings import Settings
    from pipelines.cli.person import actor_name
    from pipelines.cli.upkeep.home import (
        adoption_document,
        lacking_stores,
        print_adoption,
        print_lacking,
    )
    from pipelines.homes.elsewhere import elsewhere_lines
    from pipelines.homes.restore import restore_home
    from pipelines.run import utc_now

    settings = Settings.from_environment()
    done = restore_home(
        settings,
        path.expanduser().resolve(),
        actor=actor_name(),
        at=utc_now(),
        same_home=same_home,
        share=share or (),
        separate=separate or (),
    )
    lacking = lacking_stores(settings)
    if as_json:
        adoption = adoption_document(done.adoption) if done.adoption else None
        document = {
            **vars(done),
            "home": str(settings.home),
            "adoption": adoption,
            "stores_lacking": lacking,
        }
        print_json(document)
        return
    unused = [
        f"TOLLGATE_{name.upper()}: {settings.home}/{below}" for name, below in done.unused.items()
    ]
    lines = [
        (
            f"{settings.home}: {done.files:,} files and {sum(done.rows.values()):,} ledger rows, as"
            f" of {done.made_at[:19]}"
        ),
        *(
            ["the ledger on its server is the home's own and stays as it is"]
            if done.ledger_kept
            else []
        ),
        *elsewhere_lines(done.elsewhere),
        *(f"not used, as the settings place it elsewhere: {line}" for line in unused),
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if done.adoption:
        print_adoption(done.adoption)
    print_lacking(lacking)
