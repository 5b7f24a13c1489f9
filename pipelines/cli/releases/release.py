"""`tollgate train`, `tollgate which`, `tollgate releases`: make a release, and say which one
decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table
from pipelines.cli.person import reading_run

if TYPE_CHECKING:
    pass

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
    document = result.to_json()
    if as_json:
        print_json(document)
    else:
        _show_training(document, meanwhile=goes_on(run.ledger))
    if not result.in_production:
        raise typer.Exit(NOT_IN_PRODUCTION)


def which_command(as_json: AsJson = False) -> None:
    """Which model decides: its data, code, features, evidence.

    Exit code 1 where none does, or it cannot be loaded.
    """
    from pipelines.releases.inventory import champion_account

    account = champion_account(reading_run())
    if as_json:
        print_json(account)
    else:
        _show_champion(account)
    if not account["loadable"]:
        raise typer.Exit(1)


def releases_command(as_json: AsJson = False) -> None:
    """All releases, oldest first, each with its state."""
    from pipelines.releases.inventory import all_releases

    accounts = all_releases(reading_run())
    if as_json:
        print_json(accounts)
        return
    columns = ("release", "state", "as of", "version", "metric", "approver", "to know", "why")
    rows = [[*(account[key] for key in _LISTED), *_pass(account)] for account in accounts]
    (
        print_table("Releases", columns, rows)
        if rows
        else console.print("no release exists yet: tollgate train --as-of D")
    )


_LISTED = ("release", "state", "as_of", "model_version", "primary_metric")


def _pass(account: dict[str, Any]) -> list[Any]:
    return [
        account["approver"],
        "; ".join(account["notes"]) or None,
        account["state_reason"].partition(":")[0],
    ]


_OUTCOMES = {
    "champion": "champion already",
    "shadow": "in shadow: it scores beside the champion and decides nothing yet",
    "canary": "in canary: it decides for a share of the units",
    "candidate": "waits",
    "retired": "retired: it was withdrawn or replaced before",
}


def _show_training(document: dict[str, Any], *, meanwhile: str) -> None:
    print_table(
        f"{document['release']}: {document['n_test']:,} test events,"
        f" {document['n_test_positive']:,} positive",
        ("metric", *document["metrics"]),
        [
            (metric, *(values.get(metric) for values in document["metrics"].values()))
            for metric in document["metrics"]["candidate"]
        ],
    )
    print_table(
        f"verdict: {document['verdict']['decision']}",
        ("check", "outcome", "found"),
        [
            (check["name"], check["outcome"], check["found"])
            for check in document["verdict"]["checks"]
        ],
    )
    outcome = (
        "now champion"
        if document["promoted"]
        else _OUTCOMES.get(document["state"], document["state"])
    )
    if document["state"] == "refused":
        outcome = f"refused, {meanwhile}"
    if document["state"] == "candidate":
        outcome = f"{outcome} ({document['state_reason']})"
    same = " (the same data gave the same model as before)" if document["same_as_before"] else ""
    console.print(f"{document['release']}: {outcome}{same}")
    for warning in document["warnings"]:
        console.print(f"warning: {warning}", markup=False)


def _show_champion(account: dict[str, Any]) -> None:
    shown = [(name, value) for name, value in account.items() if not isinstance(value, dict | list)]
    print_table(
        f"{account['release']} decides",
        ("what", "value"),
        [(name, str(value)) for name, value in shown],
    )
    for note in account["notes"]:
        console.print(note, style="bold", markup=False, soft_wrap=True)
    for name in ("training", "data_versions", "feature_set", "environment"):
        print_table(
            name.replace("_", " "),
            ("what", "value"),
            [(k, str(v)) for k, v in account[name].items()],
        )
    metrics = account["metrics"]
    rows = [
        (metric, *(values.get(metric) for values in metrics.values()))
        for metric in metrics["candidate"]
    ]
    print_table("metrics on the test days", ("metric", *metrics), rows)
