"""`tollgate oncall`: open incidents, each with what to do, and the notices that no receiver has
taken yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json

if TYPE_CHECKING:
    from pipelines.ledger.ledger import Incident
    from pipelines.run import Run


def register(app: typer.Typer) -> None:
    """Add `oncall` to the command line."""
    app.command("oncall")(oncall)


def oncall(
    send: Annotated[
        bool, typer.Option("--send", help="first look at deadlines, and send the notices that wait")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="resolved incidents too")] = False,
    resolve: Annotated[
        int | None, typer.Option(help="close the open incident of this number; needs --reason")
    ] = None,
    reason: Annotated[str, typer.Option(help="why it is closed, as the records will say")] = "",
    as_json: AsJson = False,
) -> None:
    """What needs a person: incidents with consequence, evidence, next command, runbook; and notices
    that wait.
    """
    from pipelines.alerting.incidents import deliver
    from pipelines.cli.person import person_run
    from pipelines.nightly.monitor.incidents import follow_deadlines

    run = person_run()
    if resolve is not None:
        _resolve(run, resolve, reason)
    if send:
        follow_deadlines(run)
    sent = deliver(run, now=True) if send else 0
    found = run.ledger.incidents(open_only=not every)
    waiting = run.ledger.waiting_messages()
    if as_json:
        incidents = [one.to_json() for one in found]
        print_json(
            {"incidents": incidents, "waiting": [one.to_json() for one in waiting], "sent": sent}
        )
        return
    for one in found:
        _print(one)
    if not found:
        console.print("no open incident")
    if send:
        console.print(f"notices sent: {sent}")
    for message in waiting:
        told = (
            f"notice {message.event} of incident {message.incident_id} waits for {message.channel}"
        )
        problem = (
            f" ({message.attempts} attempts, {message.last_error})" if message.attempts else ""
        )
        console.print(
            f"{told}{problem}: tollgate oncall --send",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _resolve(run: Run, number: int, reason: str) -> None:
    """Close an open incident in the name of the person; raises `UsageError` where that cannot
    be.
    """
    from pipelines.alerting.incidents import deliver, settle
    from pipelines.base.errors import UsageError
    from pipelines.cli.person import required_reason

    known = {one.incident_id: one for one in run.ledger.incidents(open_only=True)}
    if number not in known:
        raise UsageError(
            "no open incident has this number",
            where="tollgate oncall --resolve",
            expected=", ".join(map(str, known)) or "none is open",
            found=str(number),
            next_step="tollgate oncall lists the open ones",
        )
    command = f"tollgate oncall --resolve {number}"
    settle(
        run,
        known[number],
        required_reason(reason, "an incident is closed with a reason", command=command),
    )
    deliver(run)


def _print(one: Incident) -> None:
    lines = {
        "since": f"{one.opened_at:%Y-%m-%d %H:%M} UTC",
        "days": ", ".join(map(str, one.detail.days)),
        "means": one.detail.consequence,
        "evidence": "; ".join(one.detail.evidence),
        "done": "; ".join(one.detail.done),
        "next": one.detail.next_step,
        "runbook": one.detail.runbook,
        "resolved": f"{one.resolved_at:%Y-%m-%d %H:%M} UTC: {one.resolution}"
        if one.resolved_at
        else "",
    }
    level = "page" if one.severity == "critical" else "ticket"
    console.print(
        f"{one.incident_id} {level} {one.kind} {one.subject}: {one.summary}",
        markup=False,
        soft_wrap=True,
    )
    for label, text in lines.items():
        if text:
            console.print(
                f"  {label + ':':<10} {text}", highlight=False, markup=False, soft_wrap=True
            )
