"""`tollgate keyed-ids`: what ids are called in a lake whose mapping hashes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.listed_ids import read_ids
from pipelines.cli.options import AsJson
from pipelines.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("keyed-ids")(keyed_ids)


def keyed_ids(
    column: Annotated[
        str,
        typer.Argument(help="column of the events that holds the hashes, for instance customer_id"),
    ],
    ids_from: Annotated[Path, typer.Option(help="file with one id a line; - is the input")],
    as_json: AsJson = False,
) -> None:
    """Print the keyed hash of each id, a line each and in their order, never the id itself.

    For whoever knows an id and looks for it here: a person to be forgotten (`| tollgate retain
    --keys-from -`), a request to the online scorer.
    """
    from pipelines.base.errors import UsageError
    from pipelines.base.settings import Settings
    from pipelines.importing.mapping.definition import unkeyable
    from pipelines.importing.mapping.keyed_ids import id_key, keyed_id
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    events = load(settings.use_case).events
    if problem := unkeyable(column, events):
        keyable = [each.name for each in events.columns if not unkeyable(each.name, events)]
        raise UsageError(
            "no such column of ids",
            where="COLUMN",
            expected=f"one of {', '.join(keyable)}",
            found=problem,
            next_step="give the column that the mapping lists as keyed",
        )
    ids = read_ids(ids_from, "--ids-from")
    key = id_key(settings, may_make=False)
    hashed = [keyed_id(key, column, text) for text in ids]
    if as_json:
        print_json({"column": column, "ids": hashed})
    else:
        typer.echo("\n".join(map(str, hashed)))
