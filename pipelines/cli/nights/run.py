"""`tollgate run STAGE --from D --to D`: one stage over a range of days, without Airflow."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from pipelines.accounts.account import Account
    from pipelines.nightly.result import StageResult


class Stage(StrEnum):
    """The stages of a day, in order."""

    INGEST = "ingest"
    FEATURES = "features"
    MATERIALIZE = "materialize"
    SCORE = "score"
    MONITOR = "monitor"
    ROLLOUT = "rollout"


_FUNCTIONS = {
    Stage.INGEST: ("pipelines.nightly.ingest", "ingest"),
    Stage.FEATURES: ("pipelines.nightly.features.stage", "build_features"),
    Stage.MATERIALIZE: ("pipelines.nightly.materialize.stage", "materialize"),
    Stage.SCORE: ("pipelines.nightly.score.stage", "score"),
    Stage.MONITOR: ("pipelines.nightly.monitor.stage", "monitor"),
    Stage.ROLLOUT: ("pipelines.nightly.rollout.stage", "rollout"),
}


def register(app: typer.Typer) -> None:
    """Add `run` to the command line."""
    app.command("run")(run_stage)


def run_stage(
    stage: Annotated[Stage, typer.Argument(help="which stage")],
    first: Annotated[str, typer.Option("--from", help="first day, YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="last day, included")],
    allow_gap: Annotated[
        bool,
        typer.Option(
            "--allow-gap", help="features only: go on although the day before is not ingested"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run one stage for the days --from to --to, both included; running a day again leaves the same
    rows.
    """
    from pipelines.base.days import DayRange, require_over
    from pipelines.base.settings import Settings
    from pipelines.nightly.metering import metered
    from pipelines.run import Run
    from pipelines.usecases.registry import load

    days = DayRange.parse(first, last)
    settings = Settings.from_environment()
    run = Run(settings, load(settings.use_case))
    require_over(days, run.clock().date())
    options = {"allow_gap": True} if allow_gap and stage is Stage.FEATURES else {}
    result = metered(run, stage.value, days.last, lambda: _function(stage)(run, days, **options))
    if as_json:
        print_json(result.to_json())
    else:
        print_result(result)


def _function(stage: Stage) -> Callable[..., StageResult[Account]]:
    module, name = _FUNCTIONS[stage]
    function: Callable[..., StageResult[Account]] = getattr(import_module(module), name)
    return function


def print_result(result: StageResult[Account]) -> None:
    """The table of the days' accounts, then what the gate let pass and what a person should know of
    a day.
    """
    from pipelines.status.days import account_problems
    from pipelines.status.gate_warnings import by_warning, gate_warnings

    accounts = {day: account.to_json() for day, account in sorted(result.accounts.items())}
    keys = dict.fromkeys(chain.from_iterable(accounts.values()))
    plain = [
        key
        for key in keys
        if all(
            isinstance(account.get(key), str | int | float | None) for account in accounts.values()
        )
    ]
    rows: list[list[Any]] = [
        [str(day), *(account.get(key) for key in plain)] for day, account in accounts.items()
    ]
    print_table(f"{result.stage} {result.days}", ["day", *plain], rows)
    for warning, days in by_warning(
        {day: gate_warnings(account) for day, account in result.accounts.items()}
    ):
        console.print(
            f"gate {warning.severity}: {warning.describe(days)}",
            markup=False,
            soft_wrap=True,
            style="yellow",
        )
    for day, account in sorted(result.accounts.items()):
        for problem in account_problems(account):
            console.print(
                f"{day}: {problem.text}",
                markup=False,
                highlight=False,
                soft_wrap=True,
                style="yellow",
            )
    if result.versions:
        console.print(
            "table versions: " + ", ".join(f"{table} {v}" for table, v in result.versions.items())
        )
