"""`tollgate backtest`: what the model policy would have achieved on past weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from pipelines.training.backtest import Backtest


def register(app: typer.Typer) -> None:
    """Add `backtest` to the command line."""
    app.command("backtest")(backtest_command)


def backtest_command(
    train_starts: Annotated[
        str, typer.Option(help="first train day of each fold: D[,D…], YYYY-MM-DD")
    ],
    train_days: Annotated[int, typer.Option(help="days of the training window")] = 7,
    delay_days: Annotated[
        int, typer.Option(help="days between train and test days, in which labels mature")
    ] = 7,
    test_days: Annotated[int, typer.Option(help="days that are judged")] = 7,
    features: Annotated[
        str | None, typer.Option(help="feature set; by default the model policy's own")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train and judge on each fold as it would have been done then; nothing is released.

    The training window fixes the split and which cards are left out of the test days; the model may
    learn from the model policy's longer history before it. Parameters are chosen on weeks before
    the test days.
    """
    from pipelines.base.days import parse_day
    from pipelines.base.settings import Settings
    from pipelines.run import Run
    from pipelines.training.backtest import backtest
    from pipelines.training.backtest_days import splits_of
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    run = Run(settings, load(settings.use_case))
    starts = [parse_day(text.strip(), what="--train-starts") for text in train_starts.split(",")]
    splits = splits_of(
        starts, run.use_case, train_days=train_days, delay_days=delay_days, test_days=test_days
    )
    result = backtest(run, splits, features or run.use_case.model.feature_set)
    if as_json:
        print_json(result.to_json())
    else:
        _show(result)


def _show(result: Backtest) -> None:
    document = result.to_json()
    numbers = list(result.folds[0].sizes) + list(result.folds[0].model)
    rows = [[fold["train_from"], *(fold[name] for name in numbers)] for fold in document["folds"]]
    average = document["average"]
    rows.append(["average", *(average[name] for name in numbers)])
    print_table(f"Backtest, {result.feature_set} features", ("train from", *numbers), rows)
    metrics = list(result.folds[0].model)
    scorers = [("model", average), *((name, average[name]) for name in result.folds[0].compared)]
    print_table(
        "On average",
        ("scorer", *metrics),
        [[name, *(row[m] for m in metrics)] for name, row in scorers],
    )
    for fold in document["folds"]:
        chosen = ", ".join(f"{name}={value}" for name, value in fold["parameters"].items())
        console.print(
            f"{fold['train_from']}: learnt from {fold['learnt_from']} on, with {chosen}",
            soft_wrap=True,
        )
