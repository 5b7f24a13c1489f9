"""`tollgate parity`: does the online path give the features that the batch stored, replayed or as
really answered?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json

if TYPE_CHECKING:
    from pipelines.accounts.parity import ParityAccount
    from pipelines.accounts.served import ServedAccount, ServedExample
    from pipelines.run import Run


def register(app: typer.Typer) -> None:
    """Add `parity` to the command line."""
    app.command("parity")(parity_of_day)


def parity_of_day(
    day: Annotated[
        str, typer.Option("--day", help="which day, YYYY-MM-DD; its features must have been built")
    ],
    sample: Annotated[
        int | None, typer.Option("--sample", help="compare so many events (all still move)")
    ] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="one feature set; by default all features")
    ] = None,
    served: Annotated[
        bool, typer.Option("--served", help="compare what was really answered, replay nothing")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replay a day event by event through Feast and the online path; exit code 0 where it equals
    the batch.

    With --served the log of the online scorer's answers is compared instead; exit code 0 where that
    is within policy.
    """
    from pipelines.base.days import DayRange, parse_day, require_over
    from pipelines.base.settings import Settings
    from pipelines.parity.stage import parity
    from pipelines.run import Run
    from pipelines.usecases.registry import load

    wanted = parse_day(day, what="--day")
    settings = Settings.from_environment()
    run = Run(settings, load(settings.use_case))
    require_over(DayRange.single(wanted), run.clock().date(), where="--day")
    if served:
        _refuse_with_served(sample=sample, features=features)
        raise typer.Exit(_served(run, wanted, as_json=as_json))
    result = parity(run, wanted, sample=sample, feature_set=features)
    if as_json:
        print_json(result.to_json())
    else:
        _print(result)
    raise typer.Exit(0 if result.holds else 1)


def _refuse_with_served(**given: Any) -> None:
    from pipelines.base.errors import UsageError

    named = ", ".join(f"--{name}" for name, value in given.items() if value is not None)
    if named:
        raise UsageError(
            "options that exclude each other",
            where="tollgate parity",
            expected="--served alone: all answers and all logged features are compared",
            found=f"--served with {named}",
            next_step=f"leave {named} out",
        )


def _served(run: Run, day: date, *, as_json: bool) -> int:
    """Compare a day's answers and print what was found; the exit code."""
    from pipelines.parity.served import served_day
    from pipelines.parity.served.figures import beyond_policy

    result = served_day(run, day)
    if isinstance(result, str):
        (
            print_json({"day": str(day), "passed_over": result})
            if as_json
            else _line(f"{day}: {result}")
        )
        return 0
    beyond = beyond_policy(result, run.use_case.serving)
    if as_json:
        print_json({**result.to_json(), "beyond_policy": beyond})
    else:
        _print_served(result, beyond)
    return 1 if beyond else 0


def _print_served(result: ServedAccount, beyond: str) -> None:
    for name, by_cause in result.by_feature.items():
        causes = ", ".join(f"{cause} {count:,}" for cause, count in by_cause.items())
        _line(
            f"[bold red]{name}[/] differs for {result.mismatches[name]:,} answers ({causes}), for"
            " instance"
        )
        _examples(result.examples[name])
    _line(
        f"{result.answers:,} answers ({result.repeated:,} repeated, {result.fallback_share:.2%} by"
        f" the rule), {result.not_in_lake:,} of them to events that are not in the lake;"
        f" {result.not_answered:,} events of the lake were not asked about"
    )
    verdict = (
        "[bold red]served parity does not hold[/]" if beyond else "[green]served parity holds[/]"
    )
    causes = ", ".join(f"{cause} {count:,}" for cause, count in result.causes.items())
    _line(
        f"{verdict}: {result.day}, {result.compared:,} answers compared, {result.mismatching:,}"
        " differ" + (f" ({causes})" if causes else "") + f" ({result.seconds:.1f} s)"
    )


def _examples(examples: Sequence[ServedExample]) -> None:
    for example in examples:
        values = f"batch {example.batch!r}, answered {example.online!r}"
        event = f"event {example.event_id} ({_keys(example.keys)})"
        _line(f"  {example.instant}  {event}: {values} ({example.cause})")


def _keys(keys: Mapping[str, Any]) -> str:
    return ", ".join(f"{entity} {key}" for entity, key in keys.items())


def _print(result: ParityAccount) -> None:
    differing = {name: count for name, count in result.mismatches.items() if count}
    for name, count in differing.items():
        _line(
            f"[bold red]{name}[/] differs for {count:,} of {result.compared:,} events, for instance"
        )
        for e in result.examples[name]:
            _line(
                f"  {e.instant}  event {e.event_id} ({_keys(e.keys)}): batch {e.batch!r}, online"
                f" {e.online!r}"
            )
    if result.only_batch or result.only_online:
        _line(
            f"events only in features: {result.only_batch:,}; events without features:"
            f" {result.only_online:,}"
        )
    values = result.compared * len(result.mismatches)
    verdict = "[green]parity holds[/]" if result.holds else "[bold red]parity does not hold[/]"
    _line(
        f"{verdict}: {result.day}, {result.compared:,} of {result.events:,} events x"
        f" {len(result.mismatches)} features = {values:,} values, {sum(differing.values()):,}"
        f" differ ({result.seconds:.1f} s)"
    )


def _line(text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
