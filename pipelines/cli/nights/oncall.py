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
    listed = run.ledger.incidents(open_only=not every)
    waiting = run.ledger.waiting_messages()
    if as_json:
        incidents = [incident.to_json() for incident in listed]
        print_json(
            {
                "incidents": incidents,
                "waiting": [message.to_json() for message in waiting],
                "sent": sent,
            }
        )
        return
    for incident in listed:
        _print(incident)
    if not listed:
        console.print("no open incident")
    if send:
        console.print(f"notices sent: {sent}")
    for message in waiting:
        line = (
            f"notice {message.event} of incident {message.incident_id} waits for {message.channel}"
        )
        problem = (
            f" ({message.attempts} attempts, {message.last_error})" if message.attempts else ""
        )
        console.print(
            f"{line}{problem}: tollgate oncall --send",
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

    open_incidents = {
        incident.incident_id: incident for incident in run.ledger.incidents(open_only=True)
    }
    if number not in open_incidents:
        raise UsageError(
            "no open incident has this number",
            where="tollgate oncall --resolve",
            expected=", ".join(map(str, open_incidents)) or "none is open",
            found=str(number),
            next_step="tollgate oncall lists the open ones",
        )
    command = f"tollgate oncall --resolve {number}"
    settle(
        run,
        open_incidents[number],
        required_reason(reason, "an incident is closed with a reason", command=command),
    )
    deliver(run)


def _print(incident: Incident) -> None:
    lines = {
        "since": f"{incident.opened_at:%Y-%m-%d %H:%M} UTC",
        "days": ", ".join(map(str, incident.detail.days)),
        "means": incident.detail.consequence,
        "evidence": "; ".join(incident.detail.evidence),
        "done": "; ".join(incident.detail.done),
        "next": incident.detail.next_step,
        "runbook": incident.detail.runbook,
        "resolved": f"{incident.resolved_at:%Y-%m-%d %H:%M} UTC: {incident.resolution}"
        if incident.resolved_at
        else "",
    }
    level = "page" if incident.severity == "critical" else "ticket"
    console.print(
        f"{incident.incident_id} {level} {incident.kind} {incident.subject}: {incident.summary}",
        markup=False,
        soft_wrap=True,
    )
    for label, text in lines.items():
        if text:
            console.print(
                f"  {label + ':':<10} {text}", highlight=False, markup=False, soft_wrap=True
            )
