"""`tollgate import`: public or own files into the landing zone, by a mapping."""

from __future__ import annotations

import time
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import console, errors, print_json

if TYPE_CHECKING:
    from pipelines.importing.days import Imported
    from pipelines.platform.days import DayRange


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_files)


def import_files(
    mapping: Annotated[str, typer.Option(help="name of a mapping that comes along, or path of your own TOML file")],
    path: Annotated[Path, typer.Option(help="folder that holds the files")],
    first: Annotated[str, typer.Option("--from", help="first day, YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="last day, included")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Bring public or own files into the landing zone, by a mapping of their columns.

    Each positive label becomes a report, which lands on the day it is due: after --to for the last days' events.
    """
    from pipelines.platform.days import DayRange

    days = DayRange.parse(first, last)
    began = time.perf_counter()
    imported, address = _import(mapping, path, days, quiet=as_json)
    summary = _summary(imported, days, address) | {"seconds": round(time.perf_counter() - began, 2)}
    if as_json:
        print_json(summary)
    else:
        _print(summary)


def _import(mapping: str, path: Path, days: DayRange, *, quiet: bool) -> tuple[list[Imported], str]:
    from rich.progress import track

    from pipelines.importing.days import import_days
    from pipelines.importing.keyed_ids import id_key
    from pipelines.importing.mapping import load_mapping
    from pipelines.importing.source import Source
    from pipelines.platform.landing import Landing
    from pipelines.platform.settings import Settings
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    use_case, landing = load(settings.use_case), Landing.of(settings)
    how = load_mapping(mapping, use_case)
    source = Source(path, how, use_case.events, id_key(settings, may_make=True) if how.keyed else b"")
    importing = import_days(landing, source, use_case, days)
    done = track(importing, "importing", total=len(days), console=errors, transient=True, disable=quiet)
    return list(done), landing.address


def _summary(imported: list[Imported], days: DayRange, address: str) -> dict[str, Any]:
    """`ingest` is the range to ingest: on to the last reports, as far as both feeds of each day have landed."""
    last = [day.day for day in takewhile(lambda day: day.ready, imported)][-1]
    return {
        "landing": address,
        "from": str(days.first),
        "to": str(days.last),
        "days": len(days),
        "events": sum(day.events for day in imported),
        "positives": sum(day.positives for day in imported),
        "reports": sum(day.reports for day in imported),
        "reports_until": str(imported[-1].day),
        "ingest": {"from": str(days.first), "to": str(last)},
    }


def _print(summary: dict[str, Any]) -> None:
    console.print(
        f"{summary['days']} days: {summary['events']:,} events, {summary['positives']:,} of them positive, "
        f"{summary['reports']:,} reports up to {summary['reports_until']}, in {summary['seconds']} s",
        soft_wrap=True,
    )
    ingest = summary["ingest"]
    console.print(f"landing zone: {summary['landing']}", soft_wrap=True)
    later = f"  (labels of the last days are reported after {summary['to']})" if ingest["to"] > summary["to"] else ""
    console.print(f"next: tollgate run ingest --from {ingest['from']} --to {ingest['to']}{later}", soft_wrap=True)
