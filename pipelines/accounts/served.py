"""What the ledger keeps of served: a day's answers of the scorer, as they were given, against the
batch.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.part import Part


class ServedExample(Part):
    """One value that differs: the event, its keys, when it happened and was answered (UTC), and the
    cause.
    """

    event_id: int | str
    keys: dict[str, int | str] = {}
    instant: str = ""
    answered_at: str = ""
    batch: int | float | bool | str | None = None
    online: int | float | bool | str | None = None
    cause: str = ""


class ServedAccount(Account):
    """The answers to a day's events beside the batch. Shares are of `compared`, between 0 and 1.

    `answers` counts first answers to events of the day, `repeated` further ones, `compared` those
    that are in the lake, `not_in_lake` those that are not, `not_answered` the lake's events that
    were never asked about (of the share that is logged), `fallback_share` the answers that the
    declared rule gave. `mismatching` events differ in any value; `mismatches` counts them by
    feature (all that were compared are named, and `score` and `decision` of `scored` events),
    `causes` by cause, `by_feature` by feature and cause. `examples` shows the first of a feature,
    those that nothing explains before others.

    `reason` says what was beyond the policy; `passed_over` why nothing was compared.
    """

    STAGE: ClassVar[str] = "served"

    day: date | None = None
    answers: int = 0
    repeated: int = 0
    compared: int = 0
    scored: int = 0
    not_in_lake: int = 0
    not_answered: int = 0
    fallback_share: float = 0.0
    releases: dict[str, int] = {}
    mismatching: int = 0
    mismatch_share: float = 0.0
    unexplained: int = 0
    unexplained_share: float = 0.0
    mismatches: dict[str, int] = {}
    causes: dict[str, int] = {}
    by_feature: dict[str, dict[str, int]] = {}
    examples: dict[str, tuple[ServedExample, ...]] = {}
    seconds: float = 0.0
    passed_over: str = ""
