"""What every stage's account has in common: its stage, a reason in words, and what its gates
said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pipelines.accounts.gate import GateAccount
from pipelines.accounts.stored import Stored


class Account(Stored):
    """What the ledger keeps of one stage and day; `STAGE` is the name of the stage.

    `reason` says in words why the stage did not do the day, or why it did where that needs a
    reason. `policies` are the digests of the use case's policies that were in force, by their
    names; none in accounts of earlier versions.
    """

    STAGE: ClassVar[str] = ""

    reason: str = ""
    policies: Mapping[str, str] = {}

    def gates(self) -> tuple[GateAccount, ...]:
        """The results of the suites that judged the day, none for a stage without a gate."""
        return ()

    def written_version(self, table: str) -> int | None:  # noqa: ARG002
        """The version of a table that the stage wrote, None where its account does not say one."""
        return None

    def rows_handled(self) -> int:
        """How many rows the stage handled, for what a row costs; 0 for a stage that does not count
        them.
        """
        return 0

    @property
    def reason_line(self) -> str:
        """The first line of the reason."""
        return self.reason.splitlines()[0] if self.reason else ""
