"""What a stage returns: an account for each day, and the versions of the tables that it wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pipelines.base.days import DayRange
from pipelines.run import Run
from pipelines.usecases.definition import POLICIES_KEY


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """`accounts` holds plain JSON data for each day: what came in, what went out, what the gate said."""

    stage: str
    days: DayRange
    accounts: Mapping[date, Mapping[str, Any]]
    versions: Mapping[str, int] = field(default_factory=dict)

    def record(self, run: Run, status: str = "done") -> StageResult:
        """Append the accounts to the ledger, each with the digests of the policies in force, and return self."""
        policies = dict(run.use_case.policy_digests)
        accounts = {day: {**account, POLICIES_KEY: policies} for day, account in self.accounts.items()}
        run.ledger.record_stages(self.stage, accounts, status, run_id=run.run_id, at=run.clock())
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "stage": self.stage,
            "from": str(self.days.first),
            "to": str(self.days.last),
            "versions": dict(self.versions),
            "days": {str(day): dict(account) for day, account in self.accounts.items()},
        }
