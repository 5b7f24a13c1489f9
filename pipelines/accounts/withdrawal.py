"""What the ledger keeps where a stage's records of a day are taken back: by whom, and why."""

from __future__ import annotations

from pipelines.accounts.account import Account


class WithdrawalAccount(Account):
    """Stored under the stage that is taken back, whose name it therefore does not bear; `reason`
    says why.
    """

    by: str = ""
