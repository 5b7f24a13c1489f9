"""What the ledger keeps of a stage's cost: seconds of its run, and the rows that it was about."""

from __future__ import annotations

from typing import ClassVar

from pipelines.accounts.account import Account


class CostAccount(Account):
    """A run of `stage`: `rows` of all its days (0 for a training), wall seconds, CPU seconds of its
    own process.
    """

    STAGE: ClassVar[str] = "cost"

    stage: str = ""
    rows: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
