"""`tollgate drill`: let something go wrong on purpose, in a scratch home, and see whether what must
hold does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from pipelines.drills.drill import DrillResult


def register(app: typer.Typer) -> None:
    """Add `drill` to the command line."""
    app.command("drill")(drill)


def drill(
    name: Annotated[str, typer.Argument(help="which drill; `list` says which there are")],
    keep: Annotated[
        bool, typer.Option("--keep", help="leave the scratch home there and say where it is")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Practise an emergency in a scratch home; exit code 0 only where everything happened that had
    to.

    Your own home is neither read nor written. The data is simulated.
    """
    from pipelines.base.settings import Settings
    from pipelines.drills.catalogue import DRILLS, drill_of
    from pipelines.simulate.use_case import require_simulated

    if name == "list":
        rows = [[practice.name, practice.description] for practice in DRILLS.values()]
        print_json(dict(rows)) if as_json else print_table("drills", ["name", "what happens"], rows)
        return
    chosen, settings = drill_of(name), Settings.from_environment()
    require_simulated(settings.use_case, command=f"drill {chosen.name}")
    if not as_json:
        _line(f"[bold]drill {chosen.name}[/]\n  injected: {chosen.injected}")
    result = chosen.practise(settings, keep=keep)
    if as_json:
        print_json(result.to_json())
    else:
        _print(result)
    raise typer.Exit(0 if result.holds else 1)


def _print(result: DrillResult) -> None:
    from rich.markup import escape

    for finding in result.findings:
        mark = "[green]held[/]    " if finding.holds else "[bold red]NOT HELD[/]"
        _line(
            f"  {mark}  expected: {escape(finding.expected)}\n            happened:"
            f" {escape(finding.happened)}"
        )
    held = sum(finding.holds for finding in result.findings)
    verdict = "[green]everything held[/]" if result.holds else "[bold red]the drill failed[/]"
    _line(f"{verdict}: {held} of {len(result.findings)} ({result.seconds:.1f} s)")
    if result.home:
        _line(f"scratch home: {result.home}")


def _line(text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
