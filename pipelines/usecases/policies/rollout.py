"""How an approved release becomes champion, and what puts the one before back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class RolloutPolicy:
    """How an approved release becomes champion, in logical (scored) days; the first of a home is champion at once.

    It is scored beside the champion for `shadow_days` without deciding, then decides for `canary_share` of the review
    units for `canary_days`; 0 leaves a state out. For `guard_days` after its promotion the champion before is put back
    by itself where a guardrail fails. Limits: `score_drift` is how much further (Wasserstein, in standard deviations)
    its scores may be from its own reference than the champion's from its own; `score_distance` the same between the two
    on the same rows; `positive_ratio` how many times more or fewer units may reach its threshold; `seconds_per_row` how
    long scoring may take; `precision_loss` how much review precision it may lose on matured days. Days with fewer than
    `minimum` rows do not count. In the `high` risk tier an approved release waits for a person all the same.
    """

    risk_tier: Literal["standard", "high"] = "standard"
    shadow_days: int = 0
    canary_days: int = 0
    canary_share: float = 0.1
    guard_days: int = 10
    score_drift: float = 0.5
    score_distance: float = 1.0
    positive_ratio: float = 3.0
    seconds_per_row: float = 0.001
    precision_loss: float = 0.1
    minimum: int = 200
