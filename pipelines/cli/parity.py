"""`tollgate parity`: does the online path give the features that the batch stored?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.output import console, print_json

if TYPE_CHECKING:
    from pipelines.stages.parity import ParityResult


def register(app: typer.Typer) -> None:
    """Add `parity` to the command line."""
    app.command("parity")(parity_of_day)


def parity_of_day(
    day: Annotated[str, typer.Option("--day", help="which day, YYYY-MM-DD; its features must have been built")],
    sample: Annotated[int | None, typer.Option("--sample", help="compare so many events (all still move)")] = None,
    features: Annotated[str | None, typer.Option("--features", help="one feature set; by default all features")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Replay a day event by event through Feast and the online path; exit code 0 where it equals the batch."""
    from pipelines.platform.days import parse_day
    from pipelines.platform.settings import Settings
    from pipelines.run import Run
    from pipelines.stages.parity import parity
    from pipelines.usecases.registry import load

    wanted = parse_day(day, what="--day")
    settings = Settings.from_environment()
    result = parity(Run(settings, load(settings.use_case)), wanted, sample=sample, feature_set=features)
    if as_json:
        print_json(result.to_json())
    else:
        _print(result)
    raise typer.Exit(0 if result.holds else 1)


def _print(result: ParityResult) -> None:
    differing = {name: count for name, count in result.mismatches.items() if count}
    for name, count in differing.items():
        _line(f"[bold red]{name}[/] differs for {count:,} of {result.compared:,} events, for instance")
        for e in result.examples[name]:
            keys = ", ".join(f"{entity} {key}" for entity, key in e.keys.items())
            _line(f"  {e.instant}  event {e.event_id} ({keys}): batch {e.batch!r}, online {e.online!r}")
    if result.only_batch or result.only_online:
        _line(f"events only in features: {result.only_batch:,}; events without features: {result.only_online:,}")
    values = result.compared * len(result.mismatches)
    verdict = "[green]parity holds[/]" if result.holds else "[bold red]parity does not hold[/]"
    _line(
        f"{verdict}: {result.day}, {result.compared:,} of {result.events:,} events x {len(result.mismatches)} features "
        f"= {values:,} values, {sum(differing.values()):,} differ ({result.seconds:.1f} s)"
    )


def _line(text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
