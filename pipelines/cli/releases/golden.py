"""`tollgate golden freeze` and `tollgate golden show`: the frozen cases that no model may learn
from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table
from pipelines.cli.person import reading_run

if TYPE_CHECKING:
    from pipelines.training.golden_store import GoldenSet

GROUP = typer.Typer(
    no_args_is_help=True, help="The golden set: frozen cases that no model may learn from."
)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(GROUP, name="golden")


@GROUP.command("freeze")
def freeze_command(
    first: Annotated[
        str, typer.Option("--from", help="first day of the cases; labels must be mature")
    ],
    last: Annotated[str, typer.Option("--to", help="last day of the cases")],
    cases: Annotated[int, typer.Option(help="about how many events, whole units")] = 20_000,
    name: Annotated[
        str | None, typer.Option(help="the version's name; by default from its days")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Freeze cases with their labels and features; from now on trainings leave them out.

    It never changes.
    """
    from pipelines.base.days import DayRange, require_over
    from pipelines.training.golden import freeze_golden

    run, days = reading_run(), DayRange.parse(first, last)
    require_over(days, run.clock().date(), where="--from, --to")
    _show(freeze_golden(run, days, cases=cases, name=name), as_json)


@GROUP.command("show")
def show_command(as_json: AsJson = False) -> None:
    """The golden set that counts now, verified.

    Exit code 1 where there is none, or it is damaged.
    """
    from pipelines.training.golden import newest_golden

    golden = newest_golden(reading_run())
    if golden is None:
        print_json(None) if as_json else console.print(
            "no golden set yet: tollgate golden freeze --from D --to D"
        )
        raise typer.Exit(1)
    _show(golden, as_json)


def _show(golden: GoldenSet, as_json: bool) -> None:
    document = golden.to_json()
    if as_json:
        print_json(document)
        return
    rows = [(name, str(value)) for name, value in document.items() if not isinstance(value, dict)]
    print_table(f"golden set {golden.version}", ("what", "value"), rows)
