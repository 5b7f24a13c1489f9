"""What the ledger keeps of rollout: the guardrails of a day, and whether the release that is tried
out went on.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.evaluation import CheckAccount
from pipelines.accounts.part import Part


class MaturedPair(Part):
    """Review precision (0 to 1) of champion and challenger on the same matured `day`, of `n` events
    judged.

    `release` is the challenger, or the champion that is guarded against the one before.
    """

    day: date
    release: str
    challenger: float
    champion: float
    n: int = 0
    positives: int = 0


class GuardAccount(Part):
    """What was found of a champion within its guard days while a challenger was tried out beside
    it.
    """

    reason: str = ""
    checks: tuple[CheckAccount, ...] = ()
    matured: MaturedPair | None = None


class RolloutAccount(Account):
    """A day of the rollout.

    `state` is the challenger's; `step` is `advance`, `hold`, `withdraw`, `restore`, `none`.

    `clean`: the day counts, and every guardrail held. `matured` speaks of the day whose labels have
    just matured. `guard` is what was found of a champion within its guard days while a challenger
    is tried out.
    """

    STAGE: ClassVar[str] = "rollout"

    champion: str | None = None
    challenger: str | None = None
    state: str | None = None
    step: str = "none"
    clean: bool = False
    checks: tuple[CheckAccount, ...] = ()
    matured: MaturedPair | None = None
    guard: GuardAccount | None = None
