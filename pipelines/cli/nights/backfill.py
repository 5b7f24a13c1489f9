"""`tollgate backfill`: days through Airflow, from ingest to monitor, a line for each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, error_document, errors, print_error, print_json

if TYPE_CHECKING:
    from datetime import date

    from pipelines.airflow.api import AirflowApi
    from pipelines.airflow.backfill import DayOutcome, DayPlan
    from pipelines.airflow.names import Orchestration
    from pipelines.base.patience import Patience
    from pipelines.run import Run

_ACTIONS = {
    "run": "would run: it has not run yet",
    "again": "would run again from ingest",
    "resume": "would go on at {dag}, {reason}",
    "skip": "done already (--rerun runs it again)",
    "busy": "is running now: {dag}",
}
_COLOURS = {"done": "green", "failed": "red", "skipped": "dim"}


def register(app: typer.Typer) -> None:
    """Add `backfill` to the command line."""
    app.command("backfill")(backfill)


def backfill(
    first: Annotated[str, typer.Option("--from", help="first day, YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="last day, included")],
    rerun: Annotated[bool, typer.Option("--rerun", help="run days again that are done")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would run, and run nothing")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the days --from to --to, both included, through Airflow: ingest, features, score,
    monitor.

    Days that are done are left alone; a day that failed, or that stopped half-way, goes on there. A
    day is done where the result of every stage is there. Exit code 1 where a day fails or is not
    complete in the end, 4 where Airflow did not answer for three minutes: it goes on, and the same
    command (without --rerun) follows it again.
    """
    from pipelines.airflow import backfill as days_through_airflow
    from pipelines.airflow.api import AirflowApi
    from pipelines.airflow.names import Orchestration
    from pipelines.base.days import DayRange
    from pipelines.base.patience import NotFollowedError
    from pipelines.base.settings import Settings
    from pipelines.nightly.completeness import missing_stages
    from pipelines.run import Run, utc_now
    from pipelines.usecases.registry import load

    days = DayRange.parse(first, last)
    settings = Settings.from_environment()
    api, names = AirflowApi(settings), Orchestration(settings.use_case)
    waiting = days_through_airflow.patience(days, clock=utc_now)
    run = Run(settings, load(settings.use_case))
    plans = days_through_airflow.plan(
        api,
        names,
        days,
        rerun=rerun,
        today=utc_now().date(),
        waiting=waiting,
        missing=missing_stages(run, days),
    )
    if dry_run:
        _print_plans(names, plans, as_json=as_json)
        return
    days_through_airflow.start(api, names, plans, rerun=rerun, waiting=waiting)
    outcomes: list[DayOutcome] = []
    try:
        _follow(api, names, plans, run, waiting, outcomes, quiet=as_json)
    except NotFollowedError as error:
        unseen = sorted({plan.day for plan in plans} - {outcome.day for outcome in outcomes})
        if as_json:
            print_json({**_document(outcomes), "not_followed": unseen, **error_document(error)})
        else:
            _print_totals(outcomes, unseen=len(unseen))
        print_error(error)
        raise SystemExit(error.exit_code) from error
    if as_json:
        print_json(_document(outcomes))
    else:
        _print_totals(outcomes)
    if any(outcome.state == "failed" for outcome in outcomes):
        raise SystemExit(1)


def _document(outcomes: list[DayOutcome]) -> dict[str, Any]:
    in_order = sorted(outcomes, key=lambda outcome: outcome.day)
    return {"days": [{**asdict(outcome), "again": outcome.command} for outcome in in_order]}


def _follow(
    api: AirflowApi,
    names: Orchestration,
    plans: list[DayPlan],
    run: Run,
    waiting: Patience,
    outcomes: list[DayOutcome],
    *,
    quiet: bool,
) -> None:
    """Follow the days to their end, and add the outcome of each to `outcomes` when it has one."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from pipelines.airflow.backfill import follow

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors if quiet else console, transient=True) as progress:
        bar = progress.add_task("backfill", total=len(plans))

        def report(day: date, dag_id: str, state: str) -> None:
            progress.update(bar, description=f"{day} {dag_id} {state}")

        logs = run.settings.home / "airflow" / "logs"
        for ended in follow(api, names, plans, logs=logs, waiting_for=waiting, report=report):
            outcome = _checked(run, ended)
            outcomes.append(outcome)
            progress.advance(bar)
            if not quiet:
                _print_outcome(outcome)


def _checked(run: Run, outcome: DayOutcome) -> DayOutcome:
    """The outcome, which is a failure where a result is not there although every run has ended
    well.
    """
    from pipelines.base.days import DayRange
    from pipelines.nightly.completeness import missing_stages

    if outcome.state == "failed":
        return outcome
    missing = missing_stages(run, DayRange.single(outcome.day))[outcome.day]
    return replace(outcome, state="failed", missing=missing) if missing else outcome


def _print_outcome(outcome: DayOutcome) -> None:
    states = (
        ", ".join(f"{dag_id} {state}" for dag_id, state in outcome.states.items()) or "done before"
    )
    colour = _COLOURS[outcome.state]
    line = f"{outcome.day}  [{colour}]{outcome.state:<7}[/]  {states}  {outcome.seconds:.0f} s"
    console.print(line, highlight=False, soft_wrap=True)
    if outcome.missing:
        missing = ", ".join(outcome.missing)
        console.print(
            f"            no result in ledger and lake: {missing}", highlight=False, soft_wrap=True
        )
    if outcome.failed_task:
        console.print(f"            failed: {outcome.failed_task}", highlight=False, soft_wrap=True)
        console.print(f"            log:    {outcome.log}", highlight=False, soft_wrap=True)
    console.print(f"            again:  {outcome.command}", highlight=False, soft_wrap=True)


def _print_totals(outcomes: list[DayOutcome], *, unseen: int = 0) -> None:
    counts = Counter(outcome.state for outcome in outcomes)
    totals = ", ".join(f"{counts[state]} {state}" for state in _COLOURS if counts[state])
    days = len(outcomes) + unseen
    summary = ", ".join(
        [*([totals] if totals else []), *([f"{unseen} not followed to the end"] if unseen else [])]
    )
    console.print(f"{days} day{'s' if days > 1 else ''}: {summary}", highlight=False)


def _print_plans(names: Orchestration, plans: list[DayPlan], *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "day": plan.day,
            "action": plan.action,
            "from": names.chain[plan.position],
            "reason": plan.reason,
        }
        for plan in plans
    ]
    if as_json:
        print_json({"days": rows})
        return
    for row in rows:
        text = _ACTIONS[row["action"]].format(dag=row["from"], reason=row["reason"])
        console.print(f"{row['day']}  {text}", highlight=False, soft_wrap=True)
    active = sum(plan.active for plan in plans)
    console.print(f"{len(plans)} days, {active} would run", highlight=False)
