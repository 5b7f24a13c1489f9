"""All use cases of a home at a glance: what decides, how far each has come, whether it is well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.accounts.score import ScoreAccount
from pipelines.base.errors import TollgateError
from pipelines.base.settings import Settings
from pipelines.ledger.homes import ledger_exists
from pipelines.ledger.ledger import Incident, Ledger
from pipelines.usecases.registry import load_all

BINARY = "binary"
"""The one kind of problem that there is so far: an event has an outcome or has none."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One use case: who owns it, its `champion` (a release, None while a rule decides), and the
    newest day that has been scored.

    `problem` is None, and `trouble` the message, where the declaration does not load. Otherwise
    `trouble` says which critical incidents are open, and is empty where none is.
    """

    name: str
    problem: str | None
    owner: str | None
    champion: str | None
    newest: date | None
    trouble: str

    @property
    def healthy(self) -> bool:
        """Whether it loads and no critical incident is open."""
        return not self.trouble

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        newest = str(self.newest) if self.newest else None
        return {**vars(self), "newest": newest, "healthy": self.healthy}


def overviews(settings: Settings) -> list[Overview]:
    """Every use case, by name; raises `StoreError` where the ledger does not answer."""
    declared, ledger_there = load_all(), ledger_exists(settings)
    rows = [
        _overview(use_case.name, use_case.owner, settings, ledger_there=ledger_there)
        for use_case in declared.use_cases
    ]
    rows += [
        Overview(
            name=broken.name,
            problem=None,
            owner=None,
            champion=None,
            newest=None,
            trouble=_why_not(broken.error),
        )
        for broken in declared.broken
    ]
    return sorted(rows, key=lambda row: row.name)


def _overview(name: str, owner: str, settings: Settings, *, ledger_there: bool) -> Overview:
    if not ledger_there:
        return Overview(
            name=name, problem=BINARY, owner=owner, champion=None, newest=None, trouble=""
        )
    ledger = Ledger(settings.ledger, name)
    pointer = ledger.champion()
    scored = ledger.latest(ScoreAccount, status="done")
    return Overview(
        name=name,
        problem=BINARY,
        owner=owner,
        champion=pointer.release_id if pointer else None,
        newest=max(scored, default=None),
        trouble=_trouble(ledger.incidents(open_only=True)),
    )


def _trouble(incidents: Sequence[Incident]) -> str:
    critical = [incident for incident in incidents if incident.severity == "critical"]
    return "; ".join(incident.summary.splitlines()[0] for incident in critical)


def _why_not(error: TollgateError) -> str:
    """Why a declaration does not load, on one line: what, where, and all that was found."""
    details = "; ".join(line.strip(" -") for line in error.found.splitlines() if line.strip())
    return f"{error.what} ({error.where}): {details}"
