"""Incidents: what is open and what was, since when, what it means, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.ledger.ledger import Incident
from pipelines.ops.day import incident_day
from pipelines.ops.facts import Facts

NEWEST = 200
PLAIN = (str, int, float, bool)


def incidents_content(facts: Facts) -> dict[str, Any]:
    """Open incidents, critical ones first, then the newest of those that are over."""
    over = [incident for incident in facts.incidents if incident.resolved_at is not None]
    return {
        "open": [_told(facts, incident) for incident in facts.open_incidents],
        "over": [_told(facts, incident) for incident in over[:NEWEST]],
        "left_out": max(0, len(over) - NEWEST),
    }


def _told(facts: Facts, incident: Incident) -> Mapping[str, Any]:
    releases = {release.release_id for release in facts.releases}
    end = incident.resolved_at or facts.at
    detail = incident.detail.to_json()
    plain = {
        name: value for name, value in detail.items() if isinstance(value, PLAIN) and value != ""
    }
    return {
        "incident": incident,
        "day": incident_day(incident),
        "release": incident.subject if incident.subject in releases else "",
        "hours": (end - incident.opened_at).total_seconds() / 3600,
        "plain": plain,
        "nested": {
            name: value for name, value in detail.items() if value and not isinstance(value, PLAIN)
        },
    }
