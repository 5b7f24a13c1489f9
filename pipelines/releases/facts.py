"""What is to be known wherever a release is shown: its state, who let it pass, against what, what
went wrong with it.

From the ledger alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.accounts.audit import ApprovalDetail, AuditEntry
from pipelines.ledger.ledger import Incident, Move, Release
from pipelines.run import Run


@dataclass(frozen=True, kw_only=True)
class ReleaseRow:
    """A release. `since` is when it came into its state (UTC, ISO 8601).

    `approver` let it pass: a person's name, `policy`, or None where nobody has. `overrides` are
    what persons let pass against the rules (reason, actor, at, against, kind), `incidents` those
    about it; both oldest first.
    """

    release: str
    state: str
    state_reason: str
    since: str
    as_of: str | None
    decision: str | None
    approver: str | None
    overrides: Sequence[Mapping[str, Any]] = ()
    incidents: Sequence[Incident] = ()

    @property
    def override(self) -> Mapping[str, Any] | None:
        """The newest override, if any."""
        return self.overrides[-1] if self.overrides else None

    @property
    def override_notes(self) -> list[str]:
        """What persons let pass against the rules, in sentences."""
        return [
            f"override by {override['actor']} on {override['at'][:16].replace('T', ' ')} UTC,"
            f" against: {override['against']}; {override['reason']}"
            for override in self.overrides
        ]

    @property
    def notes(self) -> list[str]:
        """What must not be overlooked, in sentences: overrides, and incidents that are open."""
        return self.override_notes + [
            f"open incident ({incident.severity}, {incident.kind}) since"
            f" {incident.opened_at:%Y-%m-%d %H:%M} UTC: {incident.summary}"
            for incident in self.incidents
            if incident.resolved_at is None
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **asdict(self),
            "overrides": [dict(override) for override in self.overrides],
            "incidents": [incident.to_json() for incident in self.incidents],
        }


def release_rows(run: Run) -> list[ReleaseRow]:
    """Every release, oldest first."""
    moves, incidents = run.ledger.moves(), run.ledger.incidents()
    approvals, states = run.ledger.audit_entries(ApprovalDetail), run.ledger.states_by_release()
    return [
        _row(release, states.get(release.release_id, []), moves, incidents, approvals)
        for release in run.ledger.releases()
    ]


def release_row(run: Run, release: Release) -> ReleaseRow:
    """One release."""
    approvals = run.ledger.audit_entries(ApprovalDetail)
    states = run.ledger.states(release.release_id)
    return _row(release, states, run.ledger.moves(), run.ledger.incidents(), approvals)


def overrides(moves: Iterable[Move], release_id: str) -> list[Mapping[str, Any]]:
    """Where a person let the release pass against the rules (reason, actor, at, against, kind),
    oldest first.
    """
    return [
        {
            "reason": move.reason,
            "actor": move.actor,
            "at": move.at.isoformat(),
            "against": move.detail.override,
            "kind": move.kind,
        }
        for move in moves
        if move.subject == release_id and move.detail.override
    ]


def _row(
    release: Release,
    states: Sequence[Mapping[str, str]],
    moves: Sequence[Move],
    incidents: Sequence[Incident],
    approvals: Sequence[AuditEntry[ApprovalDetail]],
) -> ReleaseRow:
    unjudged = {
        "state": "candidate",
        "reason": "not judged to the end",
        "recorded_at": release.created_at.isoformat(),
    }
    state = (states or [unjudged])[-1]
    against = overrides(moves, release.release_id)
    people = [str(override["actor"]) for override in against]
    people += [approval.actor for approval in approvals if approval.subject == release.release_id]
    passed = {state["state"] for state in states} & {"shadow", "canary", "champion"}
    return ReleaseRow(
        release=release.release_id,
        state=state["state"],
        state_reason=state["reason"],
        since=state["recorded_at"],
        as_of=str(release.account.as_of) if release.account.as_of else None,
        decision=release.account.evaluation.verdict.decision,
        approver=people[-1] if people else "policy" if passed else None,
        overrides=against,
        incidents=[incident for incident in incidents if incident.subject == release.release_id],
    )
