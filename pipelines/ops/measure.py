"""A measure of the scorecard: a value with its unit, target and basis, or the reason why it cannot
be computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

Unit = Literal["share", "hours", "days", "releases", "seconds", "seconds per 1,000 predictions"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """`value` None means: not to be computed, `basis` says why.

    `target` None means: shown without one.

    `at_least` says on which side of the target the value should be. Shares are between 0 and 1.
    """

    group: str
    name: str
    unit: Unit
    value: float | None
    basis: str
    target: float | None = None
    at_least: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is no value or no target."""
        if self.value is None or self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "met": self.met}


def share_of(good: int, total: int) -> float | None:
    """`good` of `total`, None of none."""
    return good / total if total else None


def median_of(values: Sequence[float]) -> float | None:
    """The median, None of nothing."""
    return float(median(values)) if values else None


def plural(count: int, word: str) -> str:
    """`1 night`, `2 nights`; `1 stretch`, `2 stretches`."""
    ending = "es" if word.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{count:,} {word}{'' if count == 1 else ending}"
