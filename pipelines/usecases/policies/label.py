"""How an event gets its label, and how long silence about it has to last before it counts as
negative.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.usecases.feeds import Feed
from pipelines.usecases.policies.value_types import AtLeastADay


@dataclass(frozen=True, kw_only=True)
class LabelPolicy:
    """How an event gets its label: 1 once a row of `feed` names it, 0 once `delay_days` have passed
    without one.
    """

    feed: str
    """The feed whose rows name the positive events."""
    reported_at: str
    """The column of that feed that says when a positive became known."""
    delay_days: AtLeastADay
    """How long after its event a positive may be reported before silence counts as negative."""

    @classmethod
    def of(cls, feed: Feed, *, delay_days: int) -> LabelPolicy:
        """The policy of a feed of labels: a positive is known from the time of its row on."""
        return cls(feed=feed.name, reported_at=feed.time, delay_days=delay_days)
