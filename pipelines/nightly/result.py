"""What a stage returns: an account for each day, and the versions of the tables that it wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

from pipelines.accounts.account import Account
from pipelines.base.days import DayRange
from pipelines.run import Run

Of = TypeVar("Of", bound=Account, covariant=True)


@dataclass(frozen=True, kw_only=True)
class StageResult(Generic[Of]):
    """`accounts` says for each day what came in, what went out, what the gate said."""

    stage: str
    days: DayRange
    accounts: Mapping[date, Of]
    versions: Mapping[str, int] = field(default_factory=dict)

    def record(self, run: Run, status: str = "done") -> StageResult[Of]:
        """Append the accounts to the ledger, each with the digests of the policies in force, and
        return self.
        """
        policies = dict(run.use_case.policy_digests)
        accounts = {
            day: account.replaced(policies=policies) for day, account in self.accounts.items()
        }
        run.ledger.record_stages(accounts, status, run_id=run.run_id, at=run.clock())
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "stage": self.stage,
            "from": str(self.days.first),
            "to": str(self.days.last),
            "versions": dict(self.versions),
            "days": {str(day): account.to_json() for day, account in self.accounts.items()},
        }
