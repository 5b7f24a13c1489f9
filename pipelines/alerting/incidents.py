"""An incident reported, settled, and told to those who are to know: what every part that notices
trouble calls.
"""

from __future__ import annotations

import logging

from pipelines.base.errors import StoreError, TollgateError
from pipelines.base.home import placement
from pipelines.ledger.ledger import Incident, NewIncident
from pipelines.run import Run

OF_A_RELEASE = ("guardrail", "refused")
"""Kinds of incident whose subject is a release."""

log = logging.getLogger("tollgate.incidents")


def report(run: Run, new: NewIncident) -> Incident:
    """Open the incident, or say once more that it goes on; the configured channels get to know with
    `deliver`.
    """
    channels = run.settings.channels(new.severity)
    incident, event = run.ledger.report_incident(
        new, at=run.clock(), actor=run.actor, channels=channels
    )
    log.info("incident %d %s: %s", incident.incident_id, event, new.summary)
    return incident


def settle(run: Run, incident: Incident, resolution: str) -> None:
    """Close the incident, and tell those who were told of it."""
    channels = run.settings.channels(incident.severity)
    run.ledger.settle_incident(
        incident.kind,
        incident.subject,
        resolution=resolution,
        at=run.clock(),
        actor=run.actor,
        channels=channels,
    )


def settle_superseded(run: Run, release_id: str) -> None:
    """Close what was told of releases before this one was made: with a later champion their trouble
    is over.

    The release is champion already: where the ledger fails now, that is logged and no more.
    """
    try:
        made = run.ledger.release(release_id).created_at
        for incident in run.ledger.incidents(open_only=True):
            if incident.kind in OF_A_RELEASE and incident.opened_at < made:
                settle(run, incident, f"{release_id}, which was made later, is champion")
    except TollgateError as error:
        log.warning("an incident of an earlier release stays open: %s", error)


def deliver(run: Run, *, now: bool = False) -> int:
    """Send what waits in the outbox (with `now` also what is to be tried later); returns how many
    were taken.

    A receiver that is down costs its first message one attempt; the rest of its messages wait for
    the next call.
    """
    waiting = run.ledger.waiting_messages(due=None if now else run.clock())
    if not waiting:
        return 0
    from pipelines.alerting.notice import notice
    from pipelines.alerting.receivers import send

    home = placement(run.settings).home
    sent, down = 0, set()
    for message in waiting:
        if message.channel in down:
            continue
        text = notice(
            message.event,
            message.body,
            use_case=run.use_case.name,
            link=run.settings.notify_link or "",
            home_id=home.home_id if home else "",
        )
        try:
            send(run.settings, message.channel, text)
        except StoreError as error:
            down.add(message.channel)
            log.warning("%s: %s (attempt %d)", error.what, error.found, message.attempts + 1)
            run.ledger.message_failed(message, error=error.found, at=run.clock())
        else:
            run.ledger.message_sent(message, at=run.clock())
            sent += 1
    return sent
