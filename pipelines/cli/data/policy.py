"""`tollgate policy`: every policy value in force, what it means, and the file that sets it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.cli.output import console, print_json


def register(app: typer.Typer) -> None:
    """Add `policy` to the command line."""
    app.command("policy")(policy)


def policy(
    use_case: Annotated[
        str, typer.Option("--use-case", help="another use case than TOLLGATE_USE_CASE names")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Print every policy value in force: value, unit, whether it is the default, the file that sets
    it, its meaning.
    """
    from pipelines.base.settings import Settings
    from pipelines.usecases.policies.in_force import policy_values
    from pipelines.usecases.registry import load

    declared = load(use_case or Settings.from_environment().use_case)
    values = policy_values(declared)
    if as_json:
        print_json(
            {
                "use_case": declared.name,
                "digest": declared.policy_digest,
                "values": [asdict(v) for v in values],
            }
        )
        return
    for value in values:
        console.print(value.describe(), highlight=False, markup=False, soft_wrap=True)
