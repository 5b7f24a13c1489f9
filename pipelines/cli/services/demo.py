"""`tollgate demo`: the whole pipeline on simulated days, and a table of what happened."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.output import console

if TYPE_CHECKING:
    from pipelines.base.settings import Settings
    from pipelines.demo.demo import DemoPlan, Step
    from pipelines.run import Run


def register(app: typer.Typer) -> None:
    """Add `demo` to the command line."""
    app.command("demo")(demo)


def demo(
    until: Annotated[
        str, typer.Option(help="last simulated day, YYYY-MM-DD (default: yesterday)")
    ] = "",
) -> None:
    """Simulate ninety days, load and train in bulk, then let Airflow run the last four, with an
    incident and a retrain.

    Running it again does no harm. `tollgate down` stops what it leaves running.
    """
    from pipelines.base.days import DayRange, parse_day, require_over
    from pipelines.base.settings import Settings
    from pipelines.demo.demo import DemoPlan, demo_run, demo_settings, steps
    from pipelines.run import utc_now
    from pipelines.simulate.use_case import require_simulated

    own = Settings.from_environment()
    require_simulated(own.use_case, command="demo")
    last = parse_day(until, what="--until") if until else utc_now().date() - timedelta(days=1)
    require_over(DayRange.single(last), utc_now().date(), where="--until")
    settings, plan = demo_settings(own), DemoPlan(last)
    run = demo_run(settings, plan)
    began = time.monotonic()
    story = steps(run, plan)
    for number, step in enumerate(story, start=1):
        _perform(step, f"[{number}/{len(story)}]")
    _conclude(run, settings, plan, time.monotonic() - began)


def _perform(step: Step, number: str) -> None:
    began = time.monotonic()
    with console.status(f"{number} {step.title} …") as progress:
        result = step.run(lambda text: progress.update(f"{number} {step.title}: {text}"))
    seconds = time.monotonic() - began
    console.print(
        f"[green]✓[/] {number} {step.title}  [dim]{seconds:.0f} s[/]",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"        {result}", highlight=False, soft_wrap=True)


def _conclude(run: Run, settings: Settings, plan: DemoPlan, seconds: float) -> None:
    from pipelines.airflow.api import USER, passwords_file
    from pipelines.base.days import DayRange
    from pipelines.cli.nights.report import print_days
    from pipelines.ops.one_file import write_report
    from pipelines.services import local as services
    from pipelines.status.days import day_rows

    days = DayRange(plan.scored.first, plan.live.last)
    report = write_report(run, days)
    print_days(day_rows(run, days))
    for service in services.status(settings):
        console.print(f"{service.title:<26} {service.address}", highlight=False)
    console.print(
        f"{'Airflow user, password':<26} {USER}, in {passwords_file(settings)}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"{'HTML report':<26} file://{report}", highlight=False, soft_wrap=True)
    console.print(
        f"\nThat took {seconds / 60:.1f} minutes. Stop it all with `tollgate down`.",
        highlight=False,
    )
