"""What the ledger keeps of features: how many rows a day has, what they were computed from, what
the gate said.
"""

from __future__ import annotations

from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.gate import GateAccount
from pipelines.accounts.part import Part


class ReportDelays(Part):
    """Reports made on a day, by how long after their event they came (see
    `usecases.policies.label_delays`).

    `counts` are by class of delay, `unmatched` reports name no event that was looked at. The rest
    follows from these: `reported` all of them, `late` those beyond `delay_days`, `late_share` (0 to
    1), `by_delay` the classes in words.
    """

    delay_days: int
    counts: tuple[int, ...]
    unmatched: int = 0
    reported: int = 0
    late: int = 0
    late_share: float = 0.0
    by_delay: dict[str, int] = {}


class FeaturesAccount(Account):
    """A day's features.

    `version` is the table's, `inputs` are the versions of the tables that were read.

    `recomputed`: the day was stale; `reason` then says why (of a refused day: why it was refused).
    `reports` is None where no report was made on the day.
    """

    STAGE: ClassVar[str] = "features"

    rows: int = 0
    version: int | None = None
    inputs: dict[str, int] = {}
    feature_digest: str = ""
    recomputed: bool = False
    gate: GateAccount | None = None
    reports: ReportDelays | None = None

    def gates(self) -> tuple[GateAccount, ...]:
        return () if self.gate is None else (self.gate,)

    def written_version(self, table: str) -> int | None:  # noqa: ARG002
        return self.version

    def rows_handled(self) -> int:
        return self.rows
