"""`tollgate import`: public or own files into the landing zone, by a mapping."""

from __future__ import annotations

import time
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.data.import_check import check
from pipelines.cli.options import AsJson
from pipelines.cli.output import console, errors, print_json, print_table

if TYPE_CHECKING:
    from pipelines.base.days import DayRange
    from pipelines.importing.landed.account import BrokenRule, ImportAccount
    from pipelines.importing.landed.days import Imported

_VALUES = 12
SHOWN_AS = "ids are shown by their shape (9 for a digit, a for a letter), card numbers masked"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_files)


def import_files(
    mapping: Annotated[
        str, typer.Option(help="name of a mapping that comes along, or path of your own TOML file")
    ],
    path: Annotated[Path, typer.Option(help="folder that holds the files")],
    first: Annotated[str | None, typer.Option("--from", help="first day, YYYY-MM-DD")] = None,
    last: Annotated[str | None, typer.Option("--to", help="last day, included")] = None,
    replace: Annotated[
        bool,
        typer.Option(
            help="take away what this source had landed for these days and does not bring any more"
        ),
    ] = False,
    source: Annotated[
        str, typer.Option(help="what to call the source (else the mapping's name, or its files)")
    ] = "",
    only_check: Annotated[
        bool,
        typer.Option("--check", help="print what columns and days would become, write nothing"),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring public or own files into the landing zone, by a mapping of their columns.

    Adds to what the days hold. Each positive label becomes a report, which lands on the day it is
    due: after --to for the last days' events. A row with a value that cannot be read lands too, and
    ingest quarantines it; a row without a readable time belongs to no day, and is listed in the
    home's NAME/imports/rejected, where NAME is the use case's. --check needs no --from and --to.
    """
    from pipelines.base.days import DayRange
    from pipelines.base.errors import UsageError

    if only_check:
        check(mapping, path, first, last, source=source, replace=replace, as_json=as_json)
        return
    if first is None or last is None:
        raise UsageError(
            "the import needs a range of days",
            where="--from" if first is None else "--to",
            expected="a day, YYYY-MM-DD",
            found="nothing",
            next_step="give --from and --to, or --check to look at a sample first",
        )
    days = DayRange.parse(first, last)
    began = time.perf_counter()
    summary, account = _import(mapping, path, days, source, replace=replace, quiet=as_json)
    summary |= {"seconds": round(time.perf_counter() - began, 2)}
    if as_json:
        print_json(summary | account.to_json())
    else:
        _print(summary, account)


def _import(
    mapping: str, path: Path, days: DayRange, name: str, *, replace: bool, quiet: bool
) -> tuple[dict[str, Any], ImportAccount]:
    from rich.progress import track

    from pipelines.base.settings import Settings
    from pipelines.importing.conversion.source import Source
    from pipelines.importing.landed.claims import Claims
    from pipelines.importing.landed.days import claimed_days, import_days
    from pipelines.importing.landed.judgement import judged
    from pipelines.importing.landed.landed_share import landed_share
    from pipelines.importing.landed.rejected_rows import write_rejected
    from pipelines.importing.mapping.definition import load_mapping
    from pipelines.importing.mapping.keyed_ids import id_key
    from pipelines.landing.landing import Landing
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    use_case = load(settings.use_case)
    landing, folder = Landing.of(settings, use_case.name), settings.folder_of(use_case.name)
    how = load_mapping(mapping, use_case)
    key = id_key(settings, may_make=True) if how.keyed else b""
    source = Source(path, how, use_case.events, key, name=name)
    claims = Claims.of(folder, use_case.events.name)
    emptied = claimed_days(claims, source, days) if replace else frozenset()
    account = judged(source, use_case, days, emptied=emptied)
    share = landed_share(landing, use_case)
    importing = import_days(
        landing, source, use_case, days, claims=claims, replace=replace, is_judged=True
    )
    progress = track(
        importing, "importing", total=len(days), console=errors, transient=True, disable=quiet
    )
    imported = list(progress)
    rejects = write_rejected(folder, source, days)
    summary = _summary(imported, days, landing.address)
    return (
        summary
        | {
            "home_positive_share": share,
            "rejected_file": str(rejects) if rejects else None,
        },
        account,
    )


def _summary(imported: list[Imported], days: DayRange, address: str) -> dict[str, Any]:
    """`ingest` is the range to ingest: on to the last reports, as far as both feeds of each day
    have landed.
    """
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
        "changed_days": [str(day.day) for day in imported if day.changed],
        "ingest": {"from": str(days.first), "to": str(last)},
    }


def _print(summary: dict[str, Any], account: ImportAccount) -> None:
    rows = [[row["value"], row["meaning"], row["rows"]] for row in account.labels.table()]
    print_table("labels", ["value", "means", "rows"], rows[:_VALUES])
    if len(rows) > _VALUES:
        console.print(f"and {len(rows) - _VALUES} more values")
    console.print(_shares(summary, account), soft_wrap=True)
    _print_rules(
        "rows with a value that ingest will quarantine", account.quarantinable, account.rules
    )
    _print_rules(
        "rows rejected, as they cannot be put on a day", account.rejected, account.rejected_rules
    )
    for advice in account.rejected_advice:
        console.print(f"to import them: {_plain(advice)}", soft_wrap=True)
    if summary["rejected_file"]:
        console.print(f"all of them: {summary['rejected_file']}", soft_wrap=True)
    for note, count in [*account.notes.items(), *_counts(account)]:
        console.print(f"{note}: {count:,}", soft_wrap=True)
    for warning in account.warnings:
        console.print(f"[yellow]warning:[/] {_plain(warning)}", soft_wrap=True)
    unit = "day" if summary["days"] == 1 else "days"
    console.print(
        f"{summary['days']} {unit}: {summary['events']:,} events, {summary['positives']:,} of them"
        f" positive, {summary['reports']:,} reports up to {summary['reports_until']}, in"
        f" {summary['seconds']} s",
        soft_wrap=True,
    )
    ingest = summary["ingest"]
    console.print(f"landing zone: {summary['landing']}", soft_wrap=True)
    if account.over_budget:
        console.print(_correct_first(summary), soft_wrap=True)
        return
    later = (
        f"  (labels of the last days are reported after {summary['to']})"
        if ingest["to"] > summary["to"]
        else ""
    )
    console.print(
        f"next: tollgate run ingest --from {ingest['from']} --to {ingest['to']}{later}",
        soft_wrap=True,
    )


def _correct_first(summary: dict[str, Any]) -> str:
    """What to do where ingest would refuse the days."""
    return (
        "next: tell the mapping how these values are written (docs/importing.md), or have the"
        " sender correct them; then the same command with --replace, for"
        f" --from {summary['from']} --to {summary['to']}. Ingest would refuse the days as they are"
    )


def _print_rules(title: str, rows: int, rules: list[BrokenRule] | Any) -> None:
    if not rules:
        return
    console.print(f"{title}: {rows:,}", soft_wrap=True)
    for rule in rules:
        console.print(f"  {_plain(rule.described())}", soft_wrap=True)
    console.print(f"  ({SHOWN_AS})", soft_wrap=True)


def _counts(account: ImportAccount) -> list[tuple[str, int]]:
    counts = [
        ("rows left out by the mapping's filters", account.filtered),
        ("rows that repeat another", account.repeated),
    ]
    counts += [
        (f"values of {name} that look like card numbers (of {values:,})", count)
        for name, (count, values) in account.card_numbers.items()
    ]
    return [(text, count) for text, count in counts if count]


def _shares(summary: dict[str, Any], account: ImportAccount) -> str:
    share, home = account.positive_share, summary["home_positive_share"]
    share_text = (
        "no known label" if share is None else f"{share:.2%} of the known labels are positive"
    )
    return (
        f"{share_text}; of the events landed before, {home:.2%} have a report"
        if home is not None
        else share_text
    )


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
