"""`tollgate fallback`: lets the declared rule decide instead of the champion, or the champion
again; and says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json
from pipelines.cli.person import person_run, required_reason

if TYPE_CHECKING:
    from datetime import date

    from pipelines.run import Run


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("fallback")(fallback_command)


def fallback_command(
    on: Annotated[
        bool | None, typer.Option("--on/--off", help="let the rule decide, or the champion again")
    ] = None,
    reason: Annotated[
        str, typer.Option(help="why, as the records will say; needed to change anything")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Who decides: the champion, or the declared rule in its place.

    With --on or --off, from the next day to score on.

    The champion's scores are stored all the while. Days that are scored already stay as they are.
    Where a person ended what the watch had begun, it does not begin again until a day has been
    calm.
    """
    from pipelines.releases.fallback import begin, end, fallbacks, in_force

    run = person_run()
    if on is not None:
        command = f"tollgate fallback {'--on' if on else '--off'}"
        given = required_reason(reason, "who decides changes only with a reason", command=command)
        change = begin if on else end
        change(run.ledger, _next_day(run), reason=given, actor=run.actor, at=run.clock())
    periods, now = fallbacks(run.ledger), in_force(run.ledger)
    if as_json:
        print_json(
            {"in_force": now is not None, "fallbacks": [period.to_json() for period in periods]}
        )
        return
    if now is None:
        console.print("the champion decides", soft_wrap=True)
    else:
        summary = f"the declared rule decides from {now.first} on ({now.begun_by}: {now.reason})"
        console.print(summary, soft_wrap=True, markup=False)


def _next_day(run: Run) -> date:
    """The day after the newest scored one; today in UTC where none is."""
    from datetime import timedelta

    today = run.clock().date()
    scored = [
        day
        for (stage, day), status in run.ledger.stage_statuses().items()
        if (stage, status) == ("score", "done") and day < today
    ]
    return max(scored) + timedelta(days=1) if scored else run.clock().date()
