"""`tollgate status` and `tollgate report`: what happened, where things stand, what needs a
person.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, errors, print_json
from pipelines.cli.person import reading_run
from pipelines.pages.render import DASH, count, decimal

if TYPE_CHECKING:
    from rich.text import Text

    from pipelines.base.days import DayRange
    from pipelines.run import Run
    from pipelines.status.days import DayRow
    from pipelines.status.deadlines import Fresh
    from pipelines.status.status import Standing

First = Annotated[
    str, typer.Option("--from", help="first day, YYYY-MM-DD (default: a fortnight before the last)")
]
Last = Annotated[
    str, typer.Option("--to", help="last day, included (default: the newest that any stage knows)")
]

COLUMNS = (
    "day",
    "rows in",
    "accepted",
    "quar.",
    "gates",
    "alerts",
    "prec.",
    "AP",
    "drift",
    "release",
)
TEXTS = frozenset({"day", "gates", "drift", "release"})
FOLDED = {"gates", "drift"}
"""The columns that take two lines where the terminal is narrow."""


def register(app: typer.Typer) -> None:
    """Add `status` and `report` to the command line."""
    app.command("status")(status)
    app.command("report")(report)


def status(
    first: First = "",
    last: Last = "",
    as_json: AsJson = False,
) -> None:
    """Where things stand: champion, newest days, a table of days, what needs attention, lost stores
    included.

    Airflow is asked why a day has stopped half-way and which DAGs are paused; one that does not
    answer is done without.
    """
    from pipelines.airflow.chain_state import airflow_look, paused_dags
    from pipelines.status.status import standing
    from pipelines.stores.checks import look_at_stores

    run = reading_run()
    look, lost = airflow_look(run.settings, run.use_case.name), look_at_stores(run).lost
    paused = paused_dags(run.settings, run.use_case.name)
    now = standing(run, _days(run, first, last), look=look, lost=lost, paused=paused)
    if as_json:
        print_json(now.to_json())
    else:
        _print(now)


def report(
    first: First = "",
    last: Last = "",
    out: Annotated[
        Path | None,
        typer.Option(help="file to write (default: reports/index.html in the use case's folder)"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML file: the pages of Model Ops as Airflow shows them, without
    Airflow.
    """
    from pipelines.ops.one_file import write_report
    from pipelines.releases.page import refresh_release_pages

    run = reading_run()
    for warning in (
        refresh_release_pages(run) if out is None or may_write_in(run.settings.home) else ()
    ):
        errors.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    path = write_report(run, _days(run, first, last), out.absolute() if out else None)
    if as_json:
        print_json({"report": str(path)})
    else:
        console.print(f"report: {path.as_uri()}", highlight=False, soft_wrap=True)


def may_write_in(home: Path) -> bool:
    """Whether this user may write into the home; an auditor may not, and wants one file
    elsewhere.
    """
    import os

    return os.access(home, os.W_OK)


def _days(run: Run, first: str, last: str) -> DayRange | None:
    """The range asked for; an end that is not given follows from the other, or from the newest day
    known.
    """
    from datetime import timedelta

    from pipelines.base.days import DayRange, parse_day
    from pipelines.status.status import DAYS_SHOWN, newest_day

    if not first and not last:
        return None
    end = (
        parse_day(last, what="--to") if last else newest_day(run) or parse_day(first, what="--from")
    )
    begin = parse_day(first, what="--from") if first else end - timedelta(days=DAYS_SHOWN - 1)
    return DayRange(begin, end)


def _print(now: Standing) -> None:
    champion = now.champion
    if champion:
        decider = (
            f"{champion.release} (model version {champion.model_version}) since"
            f" {champion.since:%Y-%m-%d %H:%M} UTC"
        )
    else:
        decider = "none yet"
    console.print(
        f"use case  {now.use_case}\nchampion  {decider}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if now.challenger:
        tried = (
            f"{now.challenger.release} in {now.challenger.state} since {now.challenger.since[:10]}"
        )
        console.print(f"tried out {tried}", highlight=False, markup=False, soft_wrap=True)
    newest = (
        ", ".join(f"{stage} {day}" for stage, day in now.newest.items()) or "no stage has run yet"
    )
    console.print(f"newest    {newest}", highlight=False, markup=False, soft_wrap=True)
    fresh = ", ".join(
        f"{freshness.table} {_fresh(freshness)}"
        for freshness in now.timeliness.fresh
        if freshness.newest
    )
    if fresh:
        console.print(f"fresh     {fresh}", highlight=False, markup=False, soft_wrap=True)
    if now.reports:
        console.print(
            f"reports   {now.reports.describe()}", highlight=False, markup=False, soft_wrap=True
        )
    if now.rows:
        print_days(now.rows)
    if now.attention:
        console.print("[bold yellow]needs a look[/]")
    for day, what in now.attention:
        console.print(
            f"  {day or now.use_case}: {what}", highlight=False, markup=False, soft_wrap=True
        )


def _fresh(freshness: Fresh) -> str:
    return f"{freshness.newest}" + (f" ({freshness.behind} d behind)" if freshness.behind else "")


def print_days(rows: Sequence[DayRow]) -> None:
    """The table of what happened: a line a day that fits into 80 columns; releases by the end of
    their id.
    """
    from rich.table import Table

    table = Table(
        title=f"{rows[0].day} to {rows[-1].day}",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    lines = [_cells(row) for row in rows]
    for name, cells in zip(COLUMNS, zip(*lines, strict=True), strict=True):
        width = max(map(len, (name, *cells)))
        if name in FOLDED:
            table.add_column(name)
        else:
            table.add_column(
                name, justify="left" if name in TEXTS else "right", no_wrap=True, min_width=width
            )
    for line in lines:
        table.add_row(*map(_styled, line))
    console.print(table)
    console.print(
        "[dim]quar.: rows quarantined; prec.: share of alerts that found something; AP: average"
        " precision; both once labels matured[/]"
    )


def _cells(row: DayRow) -> list[str]:
    return [
        str(row.day),
        count(row.rows_in),
        count(row.accepted),
        count(row.quarantined),
        _gates(row),
        count(row.alerts),
        decimal(row.card_precision, 2),
        decimal(row.average_precision, 2),
        _drift(row),
        "rule" if row.fallback else (row.release or DASH).rpartition("-")[2],
    ]


def _gates(row: DayRow) -> str:
    """`ok`, or the stages whose gate did not simply pass."""
    others = [f"{stage} {outcome}" for stage, outcome in row.gates.items() if outcome != "passed"]
    return ", ".join(others) or ("ok" if row.gates else DASH)


def _drift(row: DayRow) -> str:
    if row.drift_judged is None:
        return DASH
    if not row.drift_judged:
        return "not judged"
    return ("drift, train" if row.retrain_asked else "drift") if row.drift_detected else "none"


def _styled(cell: str) -> Text:
    from rich.text import Text

    loud = any(word in cell for word in ("refused", "failed", "drift", "rule"))
    return Text(cell, style="bold red" if loud else "yellow" if "warning" in cell else "")
