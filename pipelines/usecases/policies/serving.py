"""What the online scorer keeps of its answers, and how far they may be from what the batch says later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServingPolicy:
    """`logged_share` of the review units have their answers logged with features, by hash: 1 logs every answer.

    Every morning the answers to a day's events are compared with the batch (decision 0262). `unexplained_share` and
    `mismatch_share` are the shares of the compared events that may differ for no known cause, and for any. An answer
    counts that was given up to `late_hours` after the day. The newest figure stands for `parity_days`: beyond the
    shares it refuses the next release.
    """

    logged_share: float = 1.0
    unexplained_share: float = 0.0
    mismatch_share: float = 0.01
    late_hours: int = 24
    parity_days: int = 7
