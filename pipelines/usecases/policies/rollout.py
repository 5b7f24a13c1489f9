"""How an approved release becomes champion, and what puts the one before back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.usecases.policies.value_types import (
    Days,
    Deviations,
    Metric,
    Rows,
    Seconds,
    ShareAboveNone,
    TimesMore,
)


@dataclass(frozen=True, kw_only=True)
class RolloutPolicy:
    """How an approved release becomes champion, in logical (scored) days; the first of a home is
    champion at once.
    """

    risk_tier: Literal["standard", "high"] = "standard"
    """In the `high` tier an approved release waits for a person all the same."""
    shadow_days: Days = 0
    """How many days a release is scored beside the champion without deciding; 0 leaves the state
    out.
    """
    canary_days: Days = 0
    """How many days a release decides for a part of the review units; 0 leaves the state out."""
    canary_share: ShareAboveNone = 0.1
    """The share of the review units that a release in canary decides for."""
    guard_days: Days = 10
    """For how many days after a promotion a failed guardrail puts the champion before back by
    itself.
    """
    score_drift: Deviations = 0.5
    """How much further a release's scores may be from its own reference than the champion's from
    its own.
    """
    score_distance: Deviations = 1.0
    """How far a release's scores may be from the champion's on the same rows."""
    positive_ratio: TimesMore = 3.0
    """How many times more or fewer units than with the champion may reach a release's threshold."""
    seconds_per_row: Seconds = 0.001
    """How long a release may take to score a row."""
    precision_loss: Metric = 0.1
    """How much review precision a release may lose on matured days."""
    minimum: Rows = 200
    """A day with fewer rows counts neither for a release nor against it."""
