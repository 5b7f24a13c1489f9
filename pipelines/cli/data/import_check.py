"""How `tollgate import --check` prints what an import would make of a source."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from pipelines.cli.output import console, print_error, print_json, print_table

if TYPE_CHECKING:
    from pipelines.base.days import DayRange
    from pipelines.base.settings import Settings
    from pipelines.importing.landed.account import BrokenRule
    from pipelines.importing.landed.landed_comparison import DayComparison
    from pipelines.importing.mapping.definition import Mapping
    from pipelines.importing.proposal.preview import Preview
    from pipelines.usecases.definition import UseCase

_BAR = 40
_DAYS = 62
_VALUES = 12


def check(
    mapping: str,
    path: Path,
    first: str | None,
    last: str | None,
    *,
    source: str = "",
    replace: bool = False,
    as_json: bool,
) -> None:
    """Print the preview of an import, and what it would do to each day that has landed; nothing is
    written.

    Raises `typer.Exit` with 1 where it would be refused.
    """
    from pipelines.base.days import DayRange
    from pipelines.base.settings import Settings
    from pipelines.importing.mapping.definition import load_mapping
    from pipelines.importing.proposal.preview import preview
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    use_case = load(settings.use_case)
    days = DayRange.parse(first or last or "", last or first or "") if first or last else None
    how = load_mapping(mapping, use_case)
    # A key that is thrown away: what ids are called in the home is for the import itself.
    seen = preview(path, how, use_case, secrets.token_bytes(32), days)
    span = days or (_span(seen) if seen.is_whole else None)
    compared: list[DayComparison] | None = None
    if span is not None and seen.refusal is None:
        compared = _compared(settings, path, how, use_case, span, name=source, replace=replace)
    refusal = seen.refusal or next((each.refusal for each in compared or () if each.refusal), None)
    if as_json:
        landed = None if compared is None else [each.to_json() for each in compared]
        refused = refusal.fields() if refusal else None
        print_json(seen.to_json() | {"landed": landed, "refused": refused})
    else:
        _print(seen)
        _print_compared(compared)
        verdict = (
            "would be refused, see below"
            if refusal
            else "would go through, as far as the sample shows"
        )
        console.print(f"an import {verdict}; nothing was written", soft_wrap=True)
    if refusal is not None:
        print_error(refusal)
        raise typer.Exit(1)


def _span(seen: Preview) -> DayRange | None:
    from pipelines.base.days import DayRange

    return DayRange.parse(min(seen.days), max(seen.days)) if seen.days else None


def _compared(
    settings: Settings,
    path: Path,
    mapping: Mapping,
    use_case: UseCase,
    days: DayRange,
    *,
    name: str,
    replace: bool,
) -> list[DayComparison]:
    """The whole source beside the landing zone; ids are hashed with the home's key, where it has
    one.
    """
    from pipelines.importing.conversion.source import Source
    from pipelines.importing.landed.claims import Claims
    from pipelines.importing.landed.landed_comparison import compared_days
    from pipelines.importing.mapping.keyed_ids import id_key
    from pipelines.landing.landing import Landing

    has_key = settings.id_key is not None or (settings.home / "keys" / "ids.key").is_file()
    key = id_key(settings, may_make=False) if mapping.keyed and has_key else secrets.token_bytes(32)
    source = Source(path, mapping, use_case.events, key, name=name)
    claims = Claims.of(settings.folder_of(use_case.name), use_case.events.name)
    landing = Landing.of(settings, use_case.name)
    return list(compared_days(landing, source, use_case, days, claims, replace=replace))


def _print_compared(compared: list[DayComparison] | None) -> None:
    if compared is None:
        console.print("not compared with what has landed: give --from and --to", soft_wrap=True)
        return
    rows = [
        [
            str(each.day),
            each.state,
            each.events_added,
            each.events_removed,
            each.reports_added,
            each.reports_removed,
        ]
        for each in compared
    ]
    columns = ("day", "would be", "events added", "taken away", "reports added", "taken back")
    print_table("beside what has landed", columns, rows)


def _print(seen: Preview) -> None:
    more = (
        f" of {seen.of_files:,} (the others were not looked at)"
        if seen.of_files > len(seen.files)
        else ""
    )
    names = escape(", ".join(seen.files))
    console.print(
        f"a sample: {seen.rows:,} rows of {len(seen.files)} files{more}: {names}", soft_wrap=True
    )
    for column in seen.columns:
        sources = escape(" + ".join(column.sources))
        console.print(
            f"[bold]{column.name}[/] ({escape(column.type)}) from {sources}", soft_wrap=True
        )
        console.print(
            f"  in the file: {escape(' | '.join(column.in_file)) or '–'}",
            soft_wrap=True,
            highlight=False,
        )
        console.print(
            f"  becomes:     {escape(' | '.join(column.becomes)) or '–'}",
            soft_wrap=True,
            highlight=False,
        )
        console.print(
            f"  empty: {column.empty:,}, unreadable: {column.unreadable:,}", soft_wrap=True
        )
        _print_rules(column.rules)
    _print_rules(seen.malformed)
    rows = [[row["value"], row["meaning"], row["rows"]] for row in seen.labels.table()]
    print_table("labels", ["value", "means", "rows"], rows[:_VALUES])
    if len(rows) > _VALUES:
        console.print(f"and {len(rows) - _VALUES} more values")
    _print_hours(seen.hours)
    _print_days(seen)
    if seen.account is not None:
        if seen.account.filtered:
            console.print(f"rows left out by the mapping's filters: {seen.account.filtered:,}")
        for note, count in seen.account.notes.items():
            console.print(f"{escape(note)}: {count:,}", soft_wrap=True)
        for name, (look_alikes, values) in seen.account.card_numbers.items():
            if look_alikes:
                console.print(
                    f"values of {name} that look like card numbers: {look_alikes:,} of {values:,}",
                    soft_wrap=True,
                )
        for warning in seen.account.warnings:
            console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)


def _print_rules(rules: list[BrokenRule]) -> None:
    for rule in rules:
        console.print(f"  {escape(rule.described())}", soft_wrap=True, highlight=False)


def _print_hours(hours: list[int]) -> None:
    console.print("events by hour of the day (UTC)")
    for hour, count in enumerate(hours):
        console.print(f"  {hour:02d} {_bar(count, max(hours)):<{_BAR}} {count:,}", highlight=False)


def _print_days(seen: Preview) -> None:
    console.print("events by day (UTC), and how many of them are positive")
    most = max((events for events, _ in seen.days.values()), default=0)
    for day, (events, positives) in list(seen.days.items())[:_DAYS]:
        console.print(
            f"  {day} {_bar(events, most):<{_BAR}} {events:,}, {positives:,} positive",
            highlight=False,
        )
    if len(seen.days) > _DAYS:
        console.print(f"  and {len(seen.days) - _DAYS} more days, to {max(seen.days)}")


def _bar(count: int, most: int) -> str:
    """A bar whose length is the share of the largest count; one sign at least where there is
    anything.
    """
    return "#" * max(1, round(_BAR * count / most)) if count else ""
