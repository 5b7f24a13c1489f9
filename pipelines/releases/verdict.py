"""An evaluation and its verdict: the checks that a candidate had to pass, what each found, and what
follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.accounts.evaluation import CheckAccount, EvaluationAccount, VerdictAccount
from pipelines.problems.metrics import Array
from pipelines.usecases.policies.evidence import Consequence

Outcome = Literal["passed", "failed", "not applicable"]
Decision = Literal["approved", "refused", "needs a person"]
CANDIDATE, RULE, LOGISTIC, CHAMPION = "candidate", "rule", "logistic_regression", "champion"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to a candidate.

    `found` is the answer in words, `figures` are the numbers that it rests on.

    `table` holds what the check looked at one by one (slices, features, weeks), rows of equal keys
    with plain values. `subjects` names those that failed. `consequence` is what follows where the
    check failed: `refuse` or `ask`.
    """

    name: str
    question: str
    outcome: Outcome
    found: str
    figures: Mapping[str, float] = field(default_factory=dict)
    table: Sequence[Mapping[str, Any]] = ()
    subjects: tuple[str, ...] = ()
    consequence: Consequence = "refuse"

    @property
    def reason(self) -> str:
        """The check and what it found, as a reason."""
        return f"{self.name}: {self.found}"

    def account(self) -> CheckAccount:
        """What the ledger keeps; None where a number is not defined."""
        return CheckAccount(
            name=self.name,
            question=self.question,
            outcome=self.outcome,
            found=self.found,
            figures={name: _plain(value) for name, value in self.figures.items()},
            table=tuple({key: _plain(value) for key, value in row.items()} for row in self.table),
            subjects=self.subjects,
            consequence=self.consequence,
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return self.account().to_json()


def not_applicable(name: str, question: str, reason: str) -> Check:
    """A check that could not be made, and why."""
    return Check(name=name, question=question, outcome="not applicable", found=reason)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`refused` where a check failed that refuses, `needs a person` where one failed that asks,
    else `approved`.

    `reasons` are the failed checks in words, those that refuse first.
    """

    checks: Sequence[Check]

    @property
    def decision(self) -> Decision:
        if any(check.consequence == "refuse" for check in self.failed):
            return "refused"
        return "needs a person" if self.failed else "approved"

    @property
    def failed(self) -> list[Check]:
        """The failed checks, those that refuse first."""
        failed = [check for check in self.checks if check.outcome == "failed"]
        return sorted(failed, key=lambda check: check.consequence != "refuse")

    @property
    def reasons(self) -> list[str]:
        return [check.reason for check in self.failed]

    @property
    def summary(self) -> str:
        """A paragraph: the decision, what decided it, and what could not be looked at."""
        if self.failed:
            return f"{self.decision}: {'; '.join(self.reasons)}. {self._counts}"
        passed = [
            check.found
            for check in self.checks
            if check.outcome == "passed" and check.name in _TELLING
        ]
        return f"approved: {'; '.join(passed) or 'every check passed'}. {self._counts}"

    @property
    def _counts(self) -> str:
        names = [check.name for check in self.checks if check.outcome == "not applicable"]
        passed = sum(check.outcome == "passed" for check in self.checks)
        missing = f", not applicable: {', '.join(names)}" if names else ""
        return f"{passed} of {len(self.checks)} checks passed{missing}."

    def account(self) -> VerdictAccount:
        """What the ledger keeps."""
        return VerdictAccount(
            decision=self.decision,
            summary=self.summary,
            reasons=tuple(self.reasons),
            checks=tuple(check.account() for check in self.checks),
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return self.account().to_json()


_TELLING = ("beats_rule", "keeps_up_with_champion", "slices", "label_health", "golden_set", "money")
"""What the summary of an approval tells: who was beaten, and that no part of the events is worse
off.
"""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures by contender on the same rows of the test days, the verdict, and the labels and
    scores behind them.

    `inputs` names what was handed in besides the frame: the golden set's version and digest, the
    frame's digest.
    """

    figures: Mapping[str, Mapping[str, float]]
    verdict: Verdict
    label: Array
    scores: Mapping[str, Array]
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def account(self) -> EvaluationAccount:
        """What the ledger keeps: counts, figures by contender (None where a figure is not defined),
        verdict.
        """
        return EvaluationAccount(
            n_test=len(self.label),
            n_test_positive=int(self.label.sum()),
            metrics={
                name: {key: _plain(value) for key, value in values.items()}
                for name, values in self.figures.items()
            },
            inputs=dict(self.inputs),
            verdict=self.verdict.account(),
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return self.account().to_json()

    def check(self, name: str) -> Check | None:
        """The check of that name, None where it was not made."""
        return next((check for check in self.verdict.checks if check.name == name), None)


def _plain(value: Any) -> Any:
    """Python's own numbers, None where one is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
