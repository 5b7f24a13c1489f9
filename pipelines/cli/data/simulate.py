"""`tollgate simulate`: days of a simulated world into the landing zone; `tollgate incidents`: what
can happen in it.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, errors, print_json, print_table

if TYPE_CHECKING:
    from pipelines.simulate.delivery import Sent


class Format(StrEnum):
    """Formats of part files."""

    PARQUET = "parquet"
    CSV = "csv.gz"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("simulate")(simulate_days)
    app.command("incidents")(list_incidents)


def simulate_days(
    start: Annotated[str, typer.Option(help="first day, YYYY-MM-DD")],
    days: Annotated[int, typer.Option(help="how many days", min=1, max=10_000)],
    customers: Annotated[int, typer.Option(help="customers of the world")] = 5_000,
    terminals: Annotated[int, typer.Option(help="terminals of the world")] = 10_000,
    seed: Annotated[int, typer.Option(help="another seed is another world")] = 0,
    incident: Annotated[
        list[str] | None, typer.Option(help="NAME:FROM:TO, both included; repeatable")
    ] = None,
    report_spread: Annotated[
        float, typer.Option(help="deviation of the report delay of 7 days, in days")
    ] = 0.0,
    unreported: Annotated[float, typer.Option(help="share of frauds that nobody reports")] = 0.0,
    file_format: Annotated[
        Format, typer.Option("--format", help="format of the part files")
    ] = Format.PARQUET,
    truth: Annotated[
        Path | None, typer.Option(help="folder of the ground truth (default: <home>/truth)")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write simulated transactions and fraud reports into the landing zone.

    Further days with the same customers, terminals and seed go on with the same world, in as many
    calls as you like.
    """
    from pipelines.base.days import DayRange, parse_day
    from pipelines.base.settings import Settings
    from pipelines.simulate.day import plan_days
    from pipelines.simulate.incidents import parse_incident
    from pipelines.simulate.reports import Reporting
    from pipelines.simulate.use_case import require_simulated
    from pipelines.simulate.world import WorldSize

    require_simulated(Settings.from_environment().use_case, command="simulate")
    period = DayRange.of_length(parse_day(start, what="--start"), days)
    scheduled = [parse_incident(text, period) for text in incident or []]
    plans = plan_days(period, scheduled, Reporting(report_spread, unreported), file_format.value)
    size = WorldSize(customers=customers, terminals=terminals, seed=seed)
    began = time.perf_counter()
    sent, places = _send(period, plans, size, truth, quiet=as_json)
    totals = _totals(sent, time.perf_counter() - began)
    if as_json:
        print_json(places | totals | {"per_day": [asdict(day) for day in sent]})
    else:
        _print(sent, totals, places)


def list_incidents(as_json: AsJson = False) -> None:
    """List what can happen on a simulated day (`tollgate simulate --incident NAME:FROM:TO`)."""
    from pipelines.simulate.incidents import INCIDENTS

    if as_json:
        print_json({incident.name: incident.description for incident in INCIDENTS.values()})
    else:
        print_table(
            "incidents",
            ["name", "what happens"],
            [[i.name, i.description] for i in INCIDENTS.values()],
        )


def _send(
    period: Any, plans: Any, size: Any, truth: Path | None, *, quiet: bool
) -> tuple[list[Sent], dict[str, str]]:
    from rich.progress import track

    from pipelines.base.settings import Settings
    from pipelines.landing.landing import Landing
    from pipelines.simulate.delivery import simulate

    settings = Settings.from_environment()
    landing, folder = (
        Landing.of(settings, settings.use_case),
        (truth or settings.home / "truth").absolute(),
    )
    sending = simulate(landing, folder, size, period, plans)
    sent = list(
        track(
            sending, "simulating", total=len(period), console=errors, transient=True, disable=quiet
        )
    )
    return sent, {"landing": landing.address, "truth": str(folder)}


def _totals(sent: list[Sent], seconds: float) -> dict[str, Any]:
    transactions = sum(day.transactions for day in sent)
    return {
        "days": len(sent),
        "transactions": transactions,
        "frauds": sum(day.frauds for day in sent),
        "rows": sum(day.rows for day in sent),
        "reports": sum(day.reports for day in sent),
        "seconds": round(seconds, 2),
        "transactions_per_second": round(transactions / seconds),
    }


def _print(sent: list[Sent], totals: dict[str, Any], places: dict[str, str]) -> None:
    eventful = [day for day in sent if day.incidents or not day.requested]
    if eventful:
        columns = ["day", "incidents", "events", "rows", "bad", "twice", "late", "reports"]
        print_table("days that differ", columns, [_row(day) for day in eventful])
    console.print(
        f"{totals['days']} day{'s' if totals['days'] != 1 else ''}:"
        f" {totals['transactions']:,} transactions, {totals['frauds']:,} of"
        f" them fraud, {totals['reports']:,} reports, in {totals['seconds']} s",
        soft_wrap=True,
    )
    console.print(
        f"landing zone: {places['landing']}\nground truth: {places['truth']}", soft_wrap=True
    )


def _row(day: Sent) -> list[Any]:
    late = f"+{day.late_in:,} -{day.late_out:,}" if day.late_in or day.late_out else None
    what = ", ".join(day.incidents) or "sent again"
    return [
        str(day.day),
        what,
        day.transactions,
        day.rows,
        day.bad,
        day.repeated,
        late,
        day.reports,
    ]
