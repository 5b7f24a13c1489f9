"""What the ledger keeps of the scorer's journals: the key of an installation, and each stream that
began.
"""

from __future__ import annotations

from typing import ClassVar

from pipelines.accounts.account import Account


class JournalAccount(Account):
    """Either the `key` of an installation, or a `stream` that began in place of the `previous` one.

    `whole`: nothing that was known before it is lost; `why` says in words why it began. None: an
    account without it.
    """

    STAGE: ClassVar[str] = "journal"

    key: str | None = None
    stream: str | None = None
    previous: str = ""
    whole: bool = False
    why: str = ""
