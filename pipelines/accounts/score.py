"""What the ledger keeps of score: how many rows, by which release, what the gate said, how a
challenger compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import model_validator

from pipelines.accounts.account import Account
from pipelines.accounts.gate import GateAccount
from pipelines.accounts.part import Part

_NOT_LOADED = re.compile(r"champion (\S+) cannot be loaded")
"""How older accounts said that the rule stood in for a champion."""


class ContenderComparison(Part):
    """Champion and challenger on the same rows of a day; `problem` says why there is nothing to
    compare.

    `state` is the challenger's, or `rule` where the declared rule decided in place of both.
    `not_finite` of the challenger's scores are no number. `distance` and the drifts are Wasserstein
    distances in standard deviations (of the champion's scores, and of the release's own reference);
    None where there is nothing to measure. `*_units` reach the release's threshold. `decided_share`
    (0 to 1) of the rows were decided by the challenger.
    """

    challenger: str = ""
    state: str | None = None
    champion: str = ""
    problem: str = ""
    rows: int = 0
    not_finite: int = 0
    distance: float | None = None
    decided_share: float = 0.0
    champion_mean: float | None = None
    champion_units: int = 0
    champion_drift: float | None = None
    champion_seconds_per_row: float = 0.0
    challenger_mean: float | None = None
    challenger_units: int = 0
    challenger_drift: float | None = None
    challenger_seconds_per_row: float = 0.0


class ScoreAccount(Account):
    """A day's predictions.

    `fallback`: the declared rule scored; `fallback_reason` says why in words.

    `stands_in_for` is the champion that could not be loaded, in whose place the rule scored; empty
    otherwise. `positive_share` (0 to 1) of the rows and `units` different units reach the
    threshold. `comparison` is None without a challenger. A refused day has no counts: they are
    None.
    """

    STAGE: ClassVar[str] = "score"

    rows: int | None = None
    alerts: int | None = None
    release: str = ""
    model_version: str = ""
    fallback: bool = False
    fallback_reason: str = ""
    score_mean: float | None = None
    positive_share: float | None = None
    units: int | None = None
    comparison: ContenderComparison | None = None
    gate: GateAccount | None = None
    inputs: dict[str, int] = {}
    stands_in_for: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, stored: Any) -> Any:
        """Accounts of before `stands_in_for` named the champion in their reason alone."""
        if (
            not isinstance(stored, Mapping)
            or "stands_in_for" in stored
            or not stored.get("fallback")
        ):
            return stored
        match = _NOT_LOADED.match(str(stored.get("fallback_reason", "")))
        return {**stored, "stands_in_for": match[1]} if match else stored

    def gates(self) -> tuple[GateAccount, ...]:
        return () if self.gate is None else (self.gate,)

    def rows_handled(self) -> int:
        return self.rows or 0
