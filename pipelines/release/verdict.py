"""An evaluation and its verdict: the checks that a candidate had to pass, what each found, and what follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.release.metrics import Array

Outcome = Literal["passed", "failed", "not applicable"]
Decision = Literal["approved", "refused"]
CANDIDATE, RULE, LOGISTIC, CHAMPION = "candidate", "rule", "logistic_regression", "champion"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to a candidate. `found` is the answer in words, `figures` are the numbers that it rests on."""

    name: str
    question: str
    outcome: Outcome
    found: str
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "question": self.question,
            "outcome": self.outcome,
            "found": self.found,
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`approved` where no check failed, else `refused`; `reasons` are the failed checks in words."""

    checks: Sequence[Check]

    @property
    def decision(self) -> Decision:
        return "refused" if self.reasons else "approved"

    @property
    def reasons(self) -> list[str]:
        return [f"{check.name}: {check.found}" for check in self.checks if check.outcome == "failed"]

    @property
    def summary(self) -> str:
        """One line: the decision and why."""
        if self.reasons:
            return f"refused: {'; '.join(self.reasons)}"
        passed = [check for check in self.checks if check.outcome == "passed"]
        return f"approved: {'; '.join(check.found for check in passed)}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "decision": self.decision,
            "reasons": self.reasons,
            "checks": [check.to_json() for check in self.checks],
        }


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures by contender on the same rows of the test days, the verdict, and the labels and scores behind them."""

    figures: Mapping[str, Mapping[str, float]]
    verdict: Verdict
    label: Array
    scores: Mapping[str, Array]

    def to_json(self) -> dict[str, Any]:
        """Plain data: counts, figures by contender (None where a figure is not defined), verdict."""
        return {
            "n_test": len(self.label),
            "n_test_positive": int(self.label.sum()),
            "metrics": {
                name: {key: value if math.isfinite(value) else None for key, value in values.items()}
                for name, values in self.figures.items()
            },
            "verdict": self.verdict.to_json(),
        }
