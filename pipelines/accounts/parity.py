"""What the ledger keeps of parity: a day replayed through the online path, against the batch's
features.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.part import Part


class ParityExample(Part):
    """One value that differs: the event, its entity keys, its instant (UTC), and what either path
    says.
    """

    event_id: int | str
    keys: dict[str, int | str] = {}
    instant: str = ""
    batch: int | float | None = None
    online: int | float | None = None


class ParityAccount(Account):
    """`mismatches` counts the events that differ by feature (all features are named), `examples`
    shows the first ones.

    `compared` is the number of events asked about, of the day's `events`; `only_batch` and
    `only_online` count events that are in one of `features` and the events table, not in the other.
    `passed_over` says why nothing was compared.
    """

    STAGE: ClassVar[str] = "parity"

    day: date | None = None
    feature_set: str = ""
    events: int = 0
    compared: int = 0
    only_batch: int = 0
    only_online: int = 0
    mismatches: dict[str, int] = {}
    examples: dict[str, tuple[ParityExample, ...]] = {}
    seconds: float = 0.0
    holds: bool = True
    passed_over: str = ""
