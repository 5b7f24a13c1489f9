"""`tollgate mapping`: propose a mapping of files to a use case, and print the schema of such
mappings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import errors, print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Mappings: how files of your own become feeds.")
    group.command("new")(new)
    group.command("schema")(schema)
    app.add_typer(group, name="mapping")


def new(
    file: Annotated[
        Path, typer.Argument(help="one of the files to import: CSV (gzipped or not) or Parquet")
    ],
    output: Annotated[
        Path | None, typer.Option(help="where to write the mapping; without it, on the output")
    ] = None,
    time: Annotated[
        list[str] | None, typer.Option(help="column of the time; twice for a date and a time")
    ] = None,
    key: Annotated[str, typer.Option("--id", help="column that identifies an event")] = "",
    label: Annotated[str, typer.Option(help="column of the label")] = "",
    column: Annotated[
        list[str] | None, typer.Option(help="column of the events and of the file: A=B")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Propose a mapping from a sample of a file.

    Exit code 1 where something is left for you to fill in.
    """
    from pipelines.base.atomic_files import write_whole
    from pipelines.base.errors import UsageError
    from pipelines.base.settings import Settings
    from pipelines.importing.proposal.proposal import propose
    from pipelines.usecases.registry import load

    if output is not None and output.exists():
        raise UsageError(
            "there is a file already",
            where=f"--output {output}",
            expected="a file that does not exist yet",
            found=str(output),
            next_step="give another name, or remove the file",
        )
    pairs = [pair.partition("=") for pair in column or []]
    if any(not name or not source for name, _, source in pairs):
        raise UsageError(
            "a column cannot be read",
            where="--column",
            expected="column of the events = column of the file, for instance customer_id=card",
            found=", ".join(column or []),
            next_step="give both names",
        )
    proposal = propose(
        file,
        load(Settings.from_environment().use_case),
        time=time or [],
        key=key,
        label=label,
        chosen={name.strip(): source for name, _, source in pairs},
        output=output,
    )
    if output is not None:
        write_whole(
            output,
            lambda partial: partial.write_text(proposal.text, encoding="utf-8"),
            what="the mapping",
        )
    if as_json:
        print_json({"mapping": proposal.text, "to_fill_in": list(proposal.to_fill_in)})
    elif output is None:
        typer.echo(proposal.text, nl=False)
    where = str(output) if output else "MAPPING"
    if proposal.to_fill_in:
        open_keys = ", ".join(proposal.to_fill_in)
        errors.print(
            f"to be filled in ({where}): {open_keys}", soft_wrap=True, highlight=False, markup=False
        )
        raise typer.Exit(1)
    command = f"tollgate import --check --mapping {where} --path {file.parent}"
    errors.print(
        f"next: look it over, then {command}", soft_wrap=True, highlight=False, markup=False
    )


def schema() -> None:
    """Print the JSON schema of the mapping format for the home's use case: editors complete
    mappings by it.
    """
    from pipelines.base.settings import Settings
    from pipelines.importing.mapping.schema import schema_text
    from pipelines.usecases.registry import load

    typer.echo(schema_text(load(Settings.from_environment().use_case)), nl=False)
