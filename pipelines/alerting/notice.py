"""An incident in words: what, since when, consequence, evidence, next command, runbook, link.

Plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.accounts.incident import IncidentDetail
from pipelines.base.commands import as_typed

LINES = (
    ("since", "since"),
    ("days", "days"),
    ("consequence", "means"),
    ("evidence", "evidence"),
    ("done", "done"),
    ("next_step", "next"),
    ("runbook", "runbook"),
    ("link", "link"),
)


def notice(
    event: str, incident: Mapping[str, Any], *, use_case: str, link: str = "", home_id: str = ""
) -> dict[str, Any]:
    """The notice of an `event` (opened, escalated, resolved) of an incident (`Incident.to_json`).

    `key` names the incident to a receiver that groups messages: with the home's identity, as a copy
    of the home has incidents of the same number. `text` is the whole of it for people.
    """
    detail = IncidentDetail.from_stored(incident.get("detail") or {})
    fields: dict[str, Any] = {
        "event": event,
        "use_case": use_case,
        "severity": incident["severity"],
        "kind": incident["kind"],
        "subject": incident["subject"],
        "what": incident["summary"],
        "since": incident["opened_at"],
        "days": _text([str(day) for day in detail.days]),
        "consequence": detail.consequence,
        "evidence": list(detail.evidence),
        "done": list(detail.done),
        "next_step": "" if event == "resolved" else as_typed(detail.next_step, use_case=use_case),
        "runbook": detail.runbook,
        "resolution": incident.get("resolution") or "",
        "key": "/".join(
            filter(None, ("tollgate", home_id[:12], use_case, str(incident["incident_id"])))
        ),
        "link": f"{link.rstrip('/')}/incidents" if link else "",
    }
    return {**fields, "text": _lines(fields)}


def _lines(fields: Mapping[str, Any]) -> str:
    head = (
        f"{fields['event'].upper()} ({fields['severity']}) {fields['use_case']}: {fields['what']}"
    )
    lines = [f"{label}: {_text(fields[name])}" for name, label in LINES if fields[name]]
    if fields["resolution"]:
        lines.insert(0, f"resolved: {fields['resolution']}")
    return "\n".join([head, *lines])


def _text(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else "; ".join(map(str, value))
