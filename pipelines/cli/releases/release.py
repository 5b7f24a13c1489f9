"""`tollgate train`, `tollgate which`, `tollgate releases`: make a release, and say which one
decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table
from pipelines.cli.person import reading_run

if TYPE_CHECKING:
    from pipelines.accounts.train import TrainAccount
    from pipelines.releases.inventory import ChampionSummary, ReleaseSummary
    from pipelines.releases.verdict import Verdict

NOT_IN_PRODUCTION = 3
"""Exit code of a training whose release does not decide now: it was refused, or retired before."""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("train")(train_command)
    app.command("which")(which_command)
    app.command("releases")(releases_command)


def train_command(
    as_of: Annotated[
        str, typer.Option("--as-of", help="train with what was known at this day's 00:00 UTC")
    ],
    reason: Annotated[
        str, typer.Option(help="why, as the records will say")
    ] = "asked for on the command line",
    as_json: AsJson = False,
) -> None:
    """Train a model, judge it on later days, and start its way to champion if it passes.

    Exit code 0: the model is champion, or on its way (shadow, canary). 3: it is not, as the verdict
    refused it or asks for a person (what decides now goes on). 1: an error.
    """
    from datetime import timedelta

    from pipelines.base.days import DayRange, parse_day, require_over
    from pipelines.nightly.metering import metered
    from pipelines.releases.fallback import goes_on
    from pipelines.training.stage import train

    run, day = reading_run(), parse_day(as_of, what="--as-of")
    require_over(DayRange.single(day), run.clock().date() + timedelta(days=1), where="--as-of")
    result = metered(run, "train", day, lambda: train(run, day, reason=reason))
    if as_json:
        print_json(result.to_json())
    else:
        verdict = result.evaluation.verdict
        _show_training(result.account(), verdict, meanwhile=goes_on(run.ledger))
    if not result.in_production:
        raise typer.Exit(NOT_IN_PRODUCTION)


def which_command(as_json: AsJson = False) -> None:
    """Which model decides: its data, code, features, evidence.

    Exit code 1 where none does, or it cannot be loaded.
    """
    from pipelines.releases.inventory import champion_account

    champion = champion_account(reading_run())
    if as_json:
        print_json(champion.to_json())
    else:
        _show_champion(champion)
    if not champion.is_loadable:
        raise typer.Exit(1)


def releases_command(as_json: AsJson = False) -> None:
    """All releases, oldest first, each with its state."""
    from pipelines.releases.inventory import all_releases

    releases = all_releases(reading_run())
    if as_json:
        print_json([release.to_json() for release in releases])
        return
    columns = ("release", "state", "as of", "version", "metric", "approver", "to know", "why")
    if not releases:
        console.print("no release exists yet: tollgate train --as-of D")
        return
    print_table("Releases", columns, [_release_line(release) for release in releases])


def _release_line(summary: ReleaseSummary) -> tuple[object, ...]:
    return (
        summary.release,
        summary.row.state,
        str(summary.account.as_of),
        summary.account.model_version,
        summary.primary_metric,
        summary.row.approver,
        "; ".join(summary.row.notes) or None,
        summary.row.state_reason.partition(":")[0],
    )


_OUTCOMES = {
    "champion": "champion already",
    "shadow": "in shadow: it scores beside the champion and decides nothing yet",
    "canary": "in canary: it decides for a share of the units",
    "candidate": "waits",
    "retired": "retired: it was withdrawn or replaced before",
}


def _show_training(account: TrainAccount, verdict: Verdict, *, meanwhile: str) -> None:
    print_table(
        f"{account.release}: {account.n_test:,} test events, {account.n_test_positive:,} positive",
        ("metric", *account.metrics),
        _metric_lines(account.metrics),
    )
    print_table(
        f"verdict: {verdict.decision}",
        ("check", "outcome", "found"),
        [(check.name, check.outcome, check.found) for check in verdict.checks],
    )
    outcome = "now champion" if account.promoted else _OUTCOMES.get(account.state, account.state)
    if account.state == "refused":
        outcome = f"refused, {meanwhile}"
    if account.state == "candidate":
        outcome = f"{outcome} ({account.state_reason})"
    same = " (the same data gave the same model as before)" if account.same_as_before else ""
    console.print(f"{account.release}: {outcome}{same}")
    for warning in account.warnings:
        console.print(f"warning: {warning}", markup=False)


def _show_champion(champion: ChampionSummary) -> None:
    lines = champion.to_json().items()
    print_table(
        f"{champion.summary.release} decides",
        ("what", "value"),
        [(name, str(value)) for name, value in lines if not isinstance(value, dict | list)],
    )
    for note in champion.summary.row.notes:
        console.print(note, style="bold", markup=False, soft_wrap=True)
    account = champion.summary.account
    for title, values in (
        ("training", account.training.to_json()),
        ("data versions", account.data_versions),
        ("feature set", account.feature_set.to_json()),
        ("environment", account.environment),
    ):
        print_table(title, ("what", "value"), [(name, str(v)) for name, v in values.items()])
    metrics = account.evaluation.metrics
    print_table("metrics on the test days", ("metric", *metrics), _metric_lines(metrics))


def _metric_lines(metrics: dict[str, dict[str, float | None]]) -> list[tuple[object, ...]]:
    """A line for each metric of the candidate, with the value of each contender."""
    return [
        (metric, *(values.get(metric) for values in metrics.values()))
        for metric in metrics["candidate"]
    ]
