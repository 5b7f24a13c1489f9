"""What the online scorer keeps of its answers, and how far they may be from what the batch says
later.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.usecases.policies.value_types import AtLeastADay, Hours, Share


@dataclass(frozen=True, kw_only=True)
class ServingPolicy:
    """What is logged of the online scorer's answers, and how they are compared every morning
    (decision 0262).
    """

    logged_share: Share = 1.0
    """The share of the review units, by hash, whose answers are logged with features: 1 logs every
    answer.
    """
    unexplained_share: Share = 0.0
    """The share of the compared events that may differ from the batch for no known cause."""
    mismatch_share: Share = 0.01
    """The share of the compared events that may differ from the batch for any cause."""
    late_hours: Hours = 24
    """Up to how long after its day an answer to an event still counts."""
    parity_days: AtLeastADay = 7
    """For how long the newest figure stands: beyond the shares it refuses the next release."""
