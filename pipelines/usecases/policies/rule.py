"""The declared rule: the baseline to beat, and what decides when no model can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.usecases.policies.value_types import Bounds, Share


@dataclass(frozen=True, kw_only=True)
class RuleModel:
    """The declared rule: the baseline to beat and the fallback when no model can be loaded.

    Its score for an event is min(1, column / scale); the decision is score >= threshold.
    """

    column: str
    """The stored feature whose value the rule scores by; one that the event alone gives."""
    scale: Annotated[float, Bounds("", 0, above=True)]
    """The value of the column from which on the score is 1."""
    threshold: Share
    """The score from which on an event counts as positive."""
    description: str
    """The rule in words, as pages and logs show it."""
